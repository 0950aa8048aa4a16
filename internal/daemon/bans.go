//go:build linux

package daemon

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/decoy"
	"sallyport/internal/event"
	"sallyport/internal/gate"
)

const (
	banWindow  = 10 * time.Minute // in which evidence adds up
	provenFor  = 24 * time.Hour   // for which a grant protects its source
	maxSuspect = 4096             // sources against whom there is some evidence
	maxProven  = 65_536
	maxBanned  = 65_536
)

// bans keeps sources out, on evidence that cannot be forged: a completed
// TCP handshake, or a message that its sender has signed together with his
// address. A packet that anybody could have sent in another's name never leads
// here. Its methods may be called by several goroutines at once.
type bans struct {
	kernel interface {
		Ban(source netip.Addr, until, now time.Time) error
		Unban(source netip.Addr) error
	}
	put func(event.Event)
	own func() []netip.Addr // the host's addresses

	mu      sync.Mutex
	ban     config.Ban
	trusted []netip.Prefix
	suspect map[netip.Prefix]suspicion
	proven  proven
	banned  map[netip.Prefix]time.Time // until when
}

type suspicion struct {
	since time.Time
	n     int
}

func newBans(put func(event.Event)) *bans {
	return &bans{put: put, suspect: make(map[netip.Prefix]suspicion), banned: make(map[netip.Prefix]time.Time)}
}

func (b *bans) configure(cfg *config.Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ban, b.trusted = cfg.Ban, cfg.Gate.Trusted
}

// heard is a sink: whoever opens a door is not banned.
func (b *bans) heard(e event.Event) {
	if e.Kind != event.KindGrant || !e.Source.IsValid() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.proven.note(event.BannedAs(e.Source), e.Time)
}

// proven is when somebody last opened a door from where, in two generations:
// the older one is forgotten as a whole when the younger one is full or a day
// old. So a flood of grants makes none of them dearer.
type proven struct {
	young, old map[netip.Prefix]time.Time
	since      time.Time // of the young one
}

func (p *proven) note(as netip.Prefix, at time.Time) {
	if p.young == nil || len(p.young) >= maxProven/2 || at.Sub(p.since) >= provenFor {
		p.old, p.young, p.since = p.young, make(map[netip.Prefix]time.Time), at
	}
	p.young[as] = at
}

// last returns the latest time, zero if none is known.
func (p *proven) last(as netip.Prefix) time.Time {
	if at, ok := p.young[as]; ok {
		return at
	}
	return p.old[as]
}

// spares says why a source is never banned; "" if it can be.
func (b *bans) spares(source netip.Addr, now time.Time) string {
	as := event.BannedAs(source)
	touches := func(p netip.Prefix) bool { return p.Overlaps(as) }
	switch at := b.proven.last(as); {
	case source.IsLoopback() || slices.ContainsFunc(b.own(), as.Contains):
		return "it is an address of this host, or as near"
	case slices.ContainsFunc(b.trusted, touches):
		return "it is trusted"
	case !at.IsZero() && now.Sub(at) < provenFor:
		return "it has opened a door within a day"
	}
	return ""
}

// evidence holds something against a source, and bans it when there is enough.
func (b *bans) evidence(now time.Time, source netip.Addr, what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ban.Enabled || b.spares(source, now) != "" {
		return
	}
	as := event.BannedAs(source)
	if now.Before(b.banned[as]) {
		return
	}
	s := b.suspect[as]
	if now.Sub(s.since) >= banWindow {
		s = suspicion{since: now}
	}
	if s.n++; s.n < b.ban.Tries {
		b.suspects(now, as, s)
		return
	}
	delete(b.suspect, as)
	if err := b.keepOut(now, source, b.ban.For); err != nil {
		b.put(event.Event{Time: now, Kind: event.KindFailure, Source: source, Reason: event.Banned, Detail: err.Error()})
		return
	}
	b.put(event.Event{Time: now, Kind: event.KindBan, Source: source, Reason: event.Banned, Detail: fmt.Sprintf("%s for %s: %s", as, b.ban.For, what)})
}

func (b *bans) suspects(now time.Time, as netip.Prefix, s suspicion) {
	if len(b.suspect) >= maxSuspect {
		maps.DeleteFunc(b.suspect, func(_ netip.Prefix, s suspicion) bool { return now.Sub(s.since) >= banWindow })
	}
	if len(b.suspect) < maxSuspect {
		b.suspect[as] = s
	}
}

func (b *bans) keepOut(now time.Time, source netip.Addr, length time.Duration) error {
	as := event.BannedAs(source)
	if _, again := b.banned[as]; !again && len(b.banned) >= maxBanned {
		return fmt.Errorf("ban %s: %d sources are banned already, which is the most", source, maxBanned)
	}
	until := now.Add(length)
	if err := b.kernel.Ban(source, until, now); err != nil {
		return err
	}
	b.banned[as] = until
	return nil
}

// has tells whether a source is banned.
func (b *bans) has(source netip.Addr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.banned[event.BannedAs(source)])
}

// count returns how many sources are banned.
func (b *bans) count(now time.Time) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, until := range b.banned {
		if now.Before(until) {
			n++
		}
	}
	return n
}

// recall takes in what the kernel has from an earlier time.
func (b *bans) recall(list []event.Ban) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ban := range list {
		b.banned[ban.Source] = ban.Until
	}
}

// restore bans again who was banned before the table was removed.
func (b *bans) restore(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for as, until := range b.banned {
		if until.Sub(now) < time.Millisecond {
			continue
		}
		if err := b.kernel.Ban(as.Addr(), until, now); err != nil {
			return err
		}
	}
	return nil
}

// expire tells which bans have ended by themselves.
func (b *bans) expire(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for as, until := range b.banned {
		if !now.Before(until) {
			delete(b.banned, as)
			b.put(banEnded(now, as.Addr(), ""))
		}
	}
}

// banEnded is the event of a ban that is over, and why if not by itself.
func banEnded(now time.Time, source netip.Addr, why event.Reason) event.Event {
	return event.Event{Time: now, Kind: event.KindBan, Source: source, Reason: why, Ended: true, Detail: fmt.Sprintf("%s: ended", event.BannedAs(source))}
}

// watchDecoys listens on the decoys, and ends bans.
func (d *Daemon) watchDecoys(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	if cfg := d.config.Load(); cfg.Ban.Enabled {
		for _, port := range cfg.Ban.Decoys {
			l, err := decoy.Listen(port)
			if err != nil {
				d.problems.note("decoy "+port.String(), err.Error())
				d.events.put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: err.Error()})
				continue
			}
			all.Go(func() {
				decoy.Serve(ctx, l, func(from netip.Addr) { d.bans.evidence(time.Now(), from, "connected to the decoy "+port.String()) })
			})
		}
	}
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

// misused holds it against a source that its client has signed, with its
// address, a request for what it may not have. Without the address, somebody on
// the way could send the message on from anywhere.
func (d *Daemon) misused(now time.Time, decision gate.Decision) {
	forbidden := decision.Reason == event.ForbiddenDoor || decision.Reason == event.ForbiddenFrom
	if forbidden && decision.Answer != nil && decision.Answer.Message.Header.Bound {
		d.bans.evidence(now, decision.Source, fmt.Sprintf("client %q asked for what it may not have (%s)", decision.Client, decision.Reason))
	}
}
