//go:build linux

package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"sallyport/internal/daemon/ban"
	"sallyport/internal/event"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
	"sallyport/internal/phrase"
)

// bans are whom gates of the fleet keep out. What is to be done about it is done beside
// everything else: there may be thousands, and a revocation waits for none of them.
type bans struct {
	mu       sync.Mutex
	words    follow.Bans
	due      map[netip.Prefix]dueBan // bounded by the words
	wake     chan struct{}
	reported time.Time

	names sync.Map // of gates and of servers of etcd that have no address in the roll: []netip.Addr
}

// dueBan is what is to be done about one network: end what is banned, and ban.
type dueBan struct{ end, begin follow.Banned }

const (
	banFor      = 2 * time.Second  // a command waits for etcd
	banEarly    = 30 * time.Second // that a word may be stamped ahead: others take a minute
	lookUpEvery = 10 * time.Minute
	lookUpFor   = 2 * time.Second
	mostNames   = 2000
)

// banned takes what a gate has said of whom to keep out.
func (f *Fleet) banned(w follow.Banned) error {
	f.bans.mu.Lock()
	defer f.bans.mu.Unlock()
	before, news, err := f.bans.words.Take(time.Now(), w)
	if news {
		f.bans.plan(dueBan{end: before, begin: w})
	}
	return err
}

// plan joins what is to be done to what is still to be done. It is called with mu held.
func (b *bans) plan(next dueBan) {
	source := next.begin.Source
	if !source.IsValid() {
		source = next.end.Source
	}
	if is, waits := b.due[source]; waits {
		next.end = is.end // the other has not begun
	}
	if b.due == nil {
		b.due = map[netip.Prefix]dueBan{}
	}
	b.due[source] = next
	poke(b.wake)
}

// withoutBans ends the bans of those that are no gates any more.
func (f *Fleet) withoutBans(r *roll.State) {
	f.bans.mu.Lock()
	defer f.bans.mu.Unlock()
	for _, w := range f.bans.words.Without(func(gate string) bool { _, is := r.Gates[gate]; return is }) {
		f.bans.plan(dueBan{end: w})
	}
}

// enforceBans does what is to be done about bans until the context ends.
func (f *Fleet) enforceBans(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.bans.wake:
		}
		f.bans.mu.Lock()
		due := f.bans.due
		f.bans.due = nil
		f.bans.mu.Unlock()
		spared := f.spared(ctx)
		for _, d := range due {
			if err := f.enforceBan(d, spared); err != nil {
				f.reportBan(err)
			}
		}
	}
}

func (f *Fleet) enforceBan(d dueBan, spared func(netip.Prefix) string) error {
	now := time.Now()
	if d.end.Source.IsValid() && !d.end.Lifts() && d.end.Until.After(d.begin.Until) {
		by := d.begin.By
		if by == "" {
			by = d.end.By + ", which belongs to the fleet no more"
		}
		if err := f.Unfollow(now, ban.Elsewhere{Source: d.end.Source, Until: d.end.Until, Gate: by}); err != nil {
			return err
		}
	}
	w := d.begin
	if !w.Source.IsValid() || w.Lifts() || w.Until.Sub(now) < time.Second {
		return nil
	}
	if why := spared(w.Source); why != "" {
		return fmt.Errorf("%s is not banned here, as gate %s does: %s", w.Source, w.By, why)
	}
	return f.Follow(now, ban.Elsewhere{Source: w.Source, Until: w.Until, Gate: w.By, Why: w.Why})
}

// reportBan reports that a ban of another gate does not hold here, once in a while.
func (f *Fleet) reportBan(err error) {
	f.bans.mu.Lock()
	defer f.bans.mu.Unlock()
	if time.Since(f.bans.reported) < time.Minute {
		return
	}
	f.bans.reported = time.Now()
	f.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Reason: event.Banned, Detail: err.Error()})
}

// spared returns what says why a network is banned by no gate: a gate is there, or a
// server of etcd, or an operator who is in.
func (f *Fleet) spared(ctx context.Context) func(netip.Prefix) string {
	places := map[netip.Prefix]string{}
	add := func(a netip.Addr, what string) {
		for _, as := range event.BanLevels(a) {
			places[as] = what
		}
	}
	for host, what := range f.hosts() {
		if a, err := netip.ParseAddr(host); err == nil {
			add(a, what)
		} else if found, ok := f.bans.names.Load(host); ok {
			for _, a := range found.([]netip.Addr) {
				add(a, what)
			}
		}
	}
	if f.Live != nil {
		clients := f.ruling.Load().clients
		for _, g := range f.Live(ctx) {
			if g.Holder == event.Operator || g.Holder == event.Named && clients[g.Client] {
				add(g.Source, "an operator is in from there")
			}
		}
	}
	return func(p netip.Prefix) string { return places[p] }
}

// hosts returns where gates and servers of etcd are, and what each is.
func (f *Fleet) hosts() map[string]string {
	hosts := map[string]string{}
	for _, e := range f.config.Endpoints {
		if host, _, err := net.SplitHostPort(e); err == nil {
			hosts[host] = "a server of etcd is there"
		}
	}
	f.look(func(v *follow.View) {
		for _, g := range v.Roll.Gates {
			for _, a := range g.Addresses {
				hosts[a] = "gate " + g.Name + " is there"
			}
		}
	})
	return hosts
}

// lookUp finds the addresses of gates and servers of etcd that are known by name. One that
// is not found any more has those of before.
func (f *Fleet) lookUp(ctx context.Context) error {
	for {
		n := 0
		for host := range f.hosts() {
			if _, err := netip.ParseAddr(host); err == nil || n >= mostNames {
				continue
			}
			n++
			once, stop := context.WithTimeout(ctx, lookUpFor)
			if found, err := net.DefaultResolver.LookupNetIP(once, "ip", host); err == nil {
				f.bans.names.Store(host, found)
			}
			stop()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookUpEvery):
		}
	}
}

// Ban says to the other gates that a network is to be kept out, which it is here already.
func (f *Fleet) Ban(ctx context.Context, source netip.Prefix, until time.Time, by string) error {
	if why := f.spared(ctx)(source); why != "" {
		return fmt.Errorf("%s is banned by no gate: %s", source, why)
	}
	return f.saysOfBan(ctx, source, until, by)
}

// Unban ends the bans of the fleet by which a source is kept out, at all gates, and returns
// how many there were.
func (f *Fleet) Unban(ctx context.Context, source netip.Addr, by string) (n int, err error) {
	f.bans.mu.Lock()
	words := f.bans.words.On(source)
	f.bans.mu.Unlock()
	for _, w := range words {
		if w.Lifts() {
			continue
		}
		if err := f.saysOfBan(ctx, w.Source, time.Time{}, by); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

var errUnheard = errors.New("the other gates have not heard of it")

// saysOfBan writes this gate's word on a network. Without an end it lifts the ban.
func (f *Fleet) saysOfBan(ctx context.Context, source netip.Prefix, until time.Time, by string) error {
	fleet, err := f.speaks()
	if err != nil {
		return err
	}
	w, err := f.word(source, until, by)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, banFor)
	defer stop()
	s := f.reached.Load()
	if s == nil {
		return fmt.Errorf("%w: %w", errUnheard, store.ErrUnreachable)
	}
	lasts := time.Until(w.Until)
	if w.Lifts() {
		lasts = follow.LongestBan
	}
	lease, err := (*s).Lease(ctx, lasts+time.Minute)
	if err == nil {
		at := record.BannedKey(f.gate, w.Ban)
		_, err = (*s).Commit(ctx, nil, []store.Write{{Key: at, Value: record.Sign(f.signs(), fleet, at, w.Ban), Lease: lease}})
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnheard, err)
	}
	return nil
}

// word makes the next word of this gate, and takes it.
func (f *Fleet) word(source netip.Prefix, until time.Time, by string) (follow.Banned, error) {
	f.bans.mu.Lock()
	defer f.bans.mu.Unlock()
	now := time.Now()
	at := f.bans.words.Next(now, f.gate, source)
	if wait := at.Sub(now); wait > banEarly {
		return follow.Banned{}, fmt.Errorf("a gate bans one network a second for its fleet: try again in %s", phrase.Duration((wait - banEarly).Round(time.Second)))
	}
	if until.IsZero() {
		until = at
	}
	w := follow.Banned{Ban: record.Ban{Source: source, At: at.UTC(), Until: until.UTC().Truncate(time.Millisecond), Why: short(by)}, By: f.gate}
	before, news, err := f.bans.words.Take(now, w)
	if news {
		f.bans.plan(dueBan{end: before, begin: w})
	} else if err == nil {
		err = errors.New("it is over already")
	}
	return w, err
}

// speaks returns the fleet in which what this gate says counts.
func (f *Fleet) speaks() (fleet roll.Hash, err error) {
	if !f.joined() {
		return fleet, errors.New("this gate belongs to no fleet")
	}
	err = errors.New("nothing is known of the fleet yet: etcd has not been reached since this gate joined")
	f.look(func(v *follow.View) {
		if fleet, err = v.Roll.Fleet, nil; !v.Key().Equal(f.signs().Public()) {
			err = fmt.Errorf("the roll does not know gate %s by its key, so no other gate would believe it", f.gate)
		}
	})
	return fleet, err
}

// Unheard reports whether an error says that something holds here, and that the other gates
// have not heard of it.
func Unheard(err error) bool { return errors.Is(err, errUnheard) }
