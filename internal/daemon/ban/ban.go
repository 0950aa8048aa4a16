//go:build linux

// Package ban keeps sources out, on evidence that cannot be forged: a completed TCP
// handshake, or a message that its sender has signed together with his address. A
// packet that anybody could have sent in another's name never leads here. What is
// kept is bounded, and what has to be found is found without looking at all of it.
package ban

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/ban/list"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/phrase"
)

const (
	banWindow  = 10 * time.Minute // in which evidence adds up
	provenFor  = 24 * time.Hour   // for which a grant protects its source
	maxSuspect = 4096             // sources against whom there is some evidence
	maxProven  = 65_536
	maxBanned  = 65_536

	// neighbours is how many networks of a wider one are banned before it is
	// banned as a whole: anyone who has many /64 has the /56 or /48 around them.
	neighbours = 16

	failureEvery = time.Minute // between two reports that a source could not be banned
)

// Bans are the bans in force, and what leads to them. Its methods may be called by
// several goroutines at once.
type Bans struct {
	kernel Kernel
	put    func(event.Event)
	own    func() []netip.Addr // the host's addresses

	mu      sync.Mutex
	ban     config.Ban
	trusted []netip.Prefix
	suspect map[netip.Prefix]*suspicion
	proven  proven
	list    list.List
	failed  time.Time // when it was last reported that a source could not be banned
	swept   time.Time // when those were last looked for against whom there is no evidence any more
}

// Kernel is where bans are in force.
type Kernel interface {
	Ban(source netip.Prefix, until, now time.Time) error
	Unban(source netip.Prefix) error
}

// New returns an empty list. Own are the addresses of the host.
func New(put func(event.Event), kernel Kernel, own func() []netip.Addr) *Bans {
	return &Bans{put: put, kernel: kernel, own: own, suspect: make(map[netip.Prefix]*suspicion), list: list.New(maxBanned)}
}

// Configure takes a new configuration.
func (b *Bans) Configure(cfg *config.Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ban, b.trusted = cfg.Ban, cfg.Gate.Trusted
}

// Heard is a sink: a source that opens a door is not banned.
func (b *Bans) Heard(e event.Event) {
	if e.Kind != event.KindGrant || !e.Source.IsValid() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.proven.note(event.BannedAs(e.Source), e.Time)
}

// proven is when someone last opened a door from where, in two generations:
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

// any reports whether a door was opened from anywhere within a prefix since a
// time.
func (p *proven) any(within netip.Prefix, since time.Time) bool {
	for _, some := range []map[netip.Prefix]time.Time{p.young, p.old} {
		for as, at := range some {
			if within.Overlaps(as) && at.After(since) {
				return true
			}
		}
	}
	return false
}

// Spares says why a source is never banned by evidence; "" if it can be.
func (b *Bans) Spares(source netip.Addr, now time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spares(source, now)
}

// spares says why a source is never banned; "" if it can be.
func (b *Bans) spares(source netip.Addr, now time.Time) string {
	as := event.BannedAs(source)
	if why := b.near(as); why != "" {
		return why
	}
	if at := b.proven.last(as); !at.IsZero() && now.Sub(at) < provenFor {
		return "it has opened a door within a day"
	}
	return ""
}

// near says why a prefix that is the host's own or a friend's is never banned.
func (b *Bans) near(as netip.Prefix) string {
	switch {
	case as.Addr().IsLoopback() || slices.ContainsFunc(b.own(), as.Contains):
		return "it is an address of this host, or as near"
	case slices.ContainsFunc(b.trusted, as.Overlaps):
		return "it is trusted"
	}
	return ""
}

// Accuse holds evidence against a source, and bans it when there is enough.
func (b *Bans) Accuse(now time.Time, source netip.Addr, e Evidence) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ban.Enabled || b.spares(source, now) != "" {
		return
	}
	if _, already := b.list.Covers(source, now); already {
		return
	}
	as := event.BannedAs(source)
	s := b.suspect[as]
	if s == nil || now.Sub(s.since) >= banWindow {
		s = &suspicion{since: now}
	}
	if !s.add(now, e) {
		return
	}
	if !s.enough(b.ban.Tries) {
		b.suspects(now, as, s)
		return
	}
	delete(b.suspect, as)
	why := e.What
	if wide := b.widest(now, as); wide != as {
		as, why = wide, fmt.Sprintf("%d of its networks were banned: %s", neighbours, e.What)
	}
	if err := b.keepOut(now, as, b.ban.For); err != nil {
		b.reportFailure(now, source, err)
		return
	}
	b.put(event.Event{Time: now, Kind: event.KindBan, Source: source, Reason: event.Banned, Bound: true, Detail: fmt.Sprintf("%s for %s: %s", as, phrase.Duration(b.ban.For), why)})
}

// widest returns what is banned with a prefix that is to be banned: itself, or
// the network around it of which much is banned already and nobody is spared.
func (b *Bans) widest(now time.Time, as netip.Prefix) netip.Prefix {
	for _, wide := range event.BanLevels(as.Addr()) {
		if wide.Bits() >= as.Bits() {
			continue
		}
		if b.list.Within(wide)+1 < neighbours || b.near(wide) != "" || b.proven.any(wide, now.Add(-provenFor)) {
			break
		}
		as = wide
	}
	return as
}

// reportFailure reports that a source could not be banned, once in a while: what
// leads here is in the hand of strangers.
func (b *Bans) reportFailure(now time.Time, source netip.Addr, err error) {
	if since := now.Sub(b.failed); since >= 0 && since < failureEvery {
		return
	}
	b.failed = now
	b.put(event.Event{Time: now, Kind: event.KindFailure, Source: source, Reason: event.Banned, Detail: err.Error()})
}

func (b *Bans) suspects(now time.Time, as netip.Prefix, s *suspicion) {
	if len(b.suspect) >= maxSuspect && now.Sub(b.swept).Abs() >= time.Second { // strangers decide how often this is
		b.swept = now
		maps.DeleteFunc(b.suspect, func(_ netip.Prefix, s *suspicion) bool { return now.Sub(s.since) >= banWindow })
	}
	if len(b.suspect) < maxSuspect {
		b.suspect[as] = s
	}
}

// keepOut bans a prefix. In a full list the ban that ends first makes room, and
// what lies within the prefix needs none of its own.
func (b *Bans) keepOut(now time.Time, as netip.Prefix, length time.Duration) error {
	until := now.Add(length)
	for b.list.Full(as) {
		first := b.list.DropFirst()
		if err := b.kernel.Unban(first); err != nil {
			return err
		}
		e := banEnded(now, first, first.Addr(), "")
		e.Detail += " before its time: the list is full"
		b.put(e)
	}
	if err := b.kernel.Ban(as, until, now); err != nil {
		return err
	}
	b.list.Add(as, until)
	if as == event.BannedAs(as.Addr()) {
		return nil
	}
	for _, narrower := range b.list.Inside(as) {
		b.list.Remove(narrower)
		if err := b.kernel.Unban(narrower); err != nil {
			return err
		}
	}
	return nil
}

// Has reports whether a source is banned.
func (b *Bans) Has(source netip.Addr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, banned := b.list.Covers(source, now)
	return banned
}

// release ends the ban that covers a source, and reports whether there was one.
func (b *Bans) release(now time.Time, source netip.Addr) (bool, error) {
	as, banned := b.list.Covers(source, now)
	if !banned {
		return false, nil
	}
	if err := b.kernel.Unban(as); err != nil {
		return true, err
	}
	b.list.Remove(as)
	return true, nil
}

// Pardon ends the ban of an address that a client has signed together with a
// message that opens a door: no evidence is better.
func (b *Bans) Pardon(now time.Time, d gate.Decision) {
	if !d.Authenticated || !d.Bound {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	as, _ := b.list.Covers(d.Source, now)
	switch was, err := b.release(now, d.Source); {
	case err != nil:
		b.reportFailure(now, d.Source, err)
	case was:
		e := banEnded(now, as, d.Source, event.BySPA)
		e.Client, e.Authenticated = d.Client, true
		b.put(e)
	}
}

// Count returns how many sources are banned.
func (b *Bans) Count(now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.list.Count(now)
}

// Recall takes in what the kernel has from an earlier time.
func (b *Bans) Recall(list []event.Ban) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ban := range list {
		b.list.Add(ban.Source, ban.Until)
	}
}

// Restore bans again who was banned before the table was removed.
func (b *Bans) Restore(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for as, until := range b.list.All() {
		if until.Sub(now) < time.Millisecond {
			continue
		}
		if err := b.kernel.Ban(as, until, now); err != nil {
			return err
		}
	}
	return nil
}

// Run reports the end of bans until the context ends.
func (b *Bans) Run(ctx context.Context) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			b.Expire(now)
		}
	}
}

// Expire reports which bans have ended by themselves.
func (b *Bans) Expire(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, as := range b.list.Expire(now) {
		b.put(banEnded(now, as, as.Addr(), ""))
	}
}

// banEnded is the event of a ban that is over, and why if not by itself.
func banEnded(now time.Time, as netip.Prefix, source netip.Addr, why event.Reason) event.Event {
	return event.Event{Time: now, Kind: event.KindBan, Source: source, Reason: why, Ended: true, Detail: fmt.Sprintf("%s: ended", as)}
}
