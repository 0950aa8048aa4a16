package client

import (
	"context"
	"encoding/hex"
	"net/netip"
	"time"

	"sallyport/internal/key"
	"sallyport/internal/sender"
	"sallyport/internal/spa"
)

// linger is how long to wait for the answers of other addresses when each
// door has been answered for once.
const linger = 150 * time.Millisecond

// request is what all messages of one request have in common.
type request struct {
	profile *Profile
	server  key.Public
	id      *identity
	size    int // bytes of a message
	opts    Options
	headers []spa.Header // one for each door
	list    []netip.Addr // of the server
	done    func()       // to be called at the end
}

// perFamily is how many of a name's addresses of one family get a message.
func (q *request) perFamily() int {
	if q.id.touched() {
		return 1
	}
	return 2
}

// flights returns one for each door and address. Those to one address have one
// source, since the door opens for one.
func (q *request) flights() (all []*flight) {
	addrs := firstOfEach(q.list, q.perFamily())
	sources := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		sources[i], _ = sender.Source(netip.AddrPortFrom(a, q.profile.Port)) // none: the flight reports why
	}
	for _, h := range q.headers {
		for i, a := range addrs {
			all = append(all, &flight{request: q, header: h, to: netip.AddrPortFrom(a, q.profile.Port), source: sources[i]})
		}
	}
	return all
}

// gather runs the flights until all have landed, or until there is nothing
// worth waiting for and cancel ends the rest.
func (q *request) gather(ctx context.Context, cancel func(), flights []*flight) {
	landed := make(chan *flight)
	waiting := map[[4]byte]bool{} // doors that nobody has answered for
	for _, f := range flights {
		waiting[f.header.Door] = true
		go func() {
			f.fly(ctx)
			landed <- f
		}()
	}
	for range flights {
		f := <-landed
		if f.answered == nil {
			continue
		}
		delete(waiting, f.header.Door)
		switch {
		case len(waiting) > 0:
		case q.opts.First && f.answered.Status != spa.Refused:
			cancel()
		default:
			time.AfterFunc(linger, cancel)
		}
	}
}

// result gathers what the flights were answered.
func (q *request) result(flights []*flight) Result {
	var r Result
	for _, f := range flights {
		if f.answered == nil {
			continue
		}
		if r.Took == 0 || f.took < r.Took {
			r.Took, r.Clock = f.took, f.answered.Time.Sub(f.sent.Add(f.took/2))
		}
		r.OldKey = r.OldKey || f.answered.OldKey
		if f.answered.Status == spa.Refused {
			continue
		}
		for _, d := range f.answered.Doors {
			r.Grants = append(r.Grants, Grant{
				Door:   q.doorName(d.ID),
				Source: f.answered.Source,
				Local:  f.source,
				Server: f.to,
				For:    d.For,
				Until:  f.sent.Add(d.For),
				Single: d.Single,
			})
		}
	}
	return r
}

// failure returns why a door has not been opened (or closed) for any address.
func (q *request) failure(ctx context.Context, flights []*flight) error {
	byDoor := map[[4]byte][]*flight{}
	for _, f := range flights {
		byDoor[f.header.Door] = append(byDoor[f.header.Door], f)
	}
	for _, f := range flights {
		if err := q.doorFailure(byDoor[f.header.Door]); err != nil {
			if ctx.Err() != nil && context.Cause(ctx) != errEnough {
				return context.Cause(ctx)
			}
			return err
		}
	}
	return nil
}

// doorName returns the name of a door that an acknowledgement names.
func (q *request) doorName(id [4]byte) string {
	for _, list := range [][]string{q.opts.Doors, q.profile.Doors} {
		for _, name := range list {
			if spa.DoorID(name) == id {
				return name
			}
		}
	}
	return hex.EncodeToString(id[:])
}

// firstOfEach returns the first n addresses of each family.
func firstOfEach(addrs []netip.Addr, n int) []netip.Addr {
	var first []netip.Addr
	taken := map[bool]int{}
	for _, a := range addrs {
		if taken[a.Is4()] < n {
			taken[a.Is4()]++
			first = append(first, a)
		}
	}
	return first
}
