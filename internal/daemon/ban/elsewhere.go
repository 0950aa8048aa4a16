//go:build linux

package ban

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/phrase"
)

// Elsewhere is a ban that another gate of the fleet has ordered, which has bounded it.
type Elsewhere struct {
	Source netip.Prefix
	Until  time.Time
	Gate   string
	Why    string // of that gate, for people
}

// nearEnough is how far apart two ends are that are one: the kernel keeps no more of it
// over a restart.
const nearEnough = 5 * time.Second

// Follow bans what another gate has banned, unless it is spared here or banned for as long
// already. Such a ban takes no other's place: another gate does not decide who is let in
// again.
func (b *Bans) Follow(now time.Time, e Elsewhere) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if why := b.sparesAny(e.Source, now); why != "" {
		return fmt.Errorf("%s is not banned here, as gate %s does: %s", e.Source, e.Gate, why)
	}
	if until, known := b.list.Until(e.Source); known && until.Add(nearEnough).After(e.Until) {
		return nil
	}
	if b.list.Full(e.Source) {
		return errors.New("the list of bans is full")
	}
	if err := b.keepOut(now, e.Source, e.Until.Sub(now)); err != nil {
		return err
	}
	detail := fmt.Sprintf("%s for %s: banned at gate %s", e.Source, phrase.Duration(e.Until.Sub(now).Round(time.Second)), e.Gate)
	if e.Why != "" {
		detail += ", " + e.Why
	}
	b.put(event.Event{Time: now, Kind: event.KindBan, Source: e.Source.Addr(), Reason: event.Banned, Detail: detail})
	return nil
}

// sparesAny says why a prefix is never banned, or anyone within it.
func (b *Bans) sparesAny(as netip.Prefix, now time.Time) string {
	if as == event.BannedAs(as.Addr()) {
		return b.spares(as.Addr(), now)
	}
	if why := b.near(as); why != "" {
		return why
	}
	if b.proven.any(as, now.Add(-provenFor)) {
		return "someone there has opened a door within a day"
	}
	return ""
}

// Unfollow ends a ban that another gate has ordered, or has lifted, if it still is the one
// that ends then: what this gate has banned for longer by itself stays.
func (b *Bans) Unfollow(now time.Time, e Elsewhere) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	until, known := b.list.Until(e.Source)
	if !known || until.Sub(e.Until).Abs() > nearEnough {
		return nil
	}
	if err := b.kernel.Unban(e.Source); err != nil {
		return err
	}
	b.list.Remove(e.Source)
	over := banEnded(now, e.Source, e.Source.Addr(), "")
	over.Detail += ", by gate " + e.Gate
	b.put(over)
	return nil
}
