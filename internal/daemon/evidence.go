//go:build linux

package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/decoy"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/packet"
)

// againAfter is when the same decoy counts again.
const againAfter = time.Minute

// evidence is something held against a source.
type evidence struct {
	what string // for people
	once string // what is one and the same counts once in a while: every connection to one decoy; empty: it counts
	weak bool   // a browser does the same when a page says so: it adds to other evidence, and is none alone
}

// suspicion is what is held against a source.
type suspicion struct {
	since        time.Time
	strong, weak int
	seen         map[string]time.Time // when what counts once was seen; bounded by the number of decoys
}

// add reports whether that is something new.
func (s *suspicion) add(now time.Time, e evidence) bool {
	if e.once != "" {
		if at, known := s.seen[e.once]; known && now.Sub(at) < againAfter {
			return false
		}
		if s.seen == nil {
			s.seen = make(map[string]time.Time)
		}
		s.seen[e.once] = now
	}
	if e.weak {
		s.weak++
	} else {
		s.strong++
	}
	return true
}

func (s *suspicion) enough(tries int) bool { return s.strong > 0 && s.strong+s.weak >= tries }

// watchBans ends bans.
func (d *Daemon) watchBans(ctx context.Context) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			d.bans.expire(now)
		}
	}
}

// decoyServices are the ports at which nothing is but what catches those who
// try them.
func (d *Daemon) decoyServices(c *change) (list []service) {
	if !c.to.Ban.Enabled {
		return nil
	}
	for _, port := range c.to.Ban.Decoys {
		name := "decoy " + port.String()
		heard := func(from netip.Addr, said decoy.Said) { d.bans.hold(time.Now(), from, touched(port, said)) }
		list = append(list, service{subject: name, key: name, open: func() (serving, error) {
			l, err := decoy.Listen(port)
			if err != nil {
				return serving{}, err
			}
			return serving{run: func(ctx context.Context) error { decoy.Serve(ctx, l, heard); return nil }, close: l.Close}, nil
		}})
	}
	return list
}

// touched is the evidence of a connection to a decoy.
func touched(port packet.Port, said decoy.Said) evidence {
	e := evidence{what: "connected to the decoy " + port.String(), once: port.String(), weak: said == decoy.Browser}
	if e.weak {
		e.what += " as a browser does"
	}
	return e
}

// misused holds it against a source that its client has signed, with its
// address, a request for what it may not have. Without the address, somebody on
// the way could send the message on from anywhere.
func (d *Daemon) misused(now time.Time, decision gate.Decision) {
	forbidden := decision.Reason == event.ForbiddenDoor || decision.Reason == event.ForbiddenFrom
	if forbidden && decision.Authenticated && decision.Bound {
		d.bans.hold(now, decision.Source, evidence{what: fmt.Sprintf("client %q asked for what it may not have (%s)", decision.Client, decision.Reason)})
	}
}
