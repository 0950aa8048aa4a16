//go:build linux

package ban

import (
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/phrase"
)

// Spared is the error about a source that is never banned.
type Spared struct {
	Source netip.Addr
	Why    string
}

func (s *Spared) Error() string { return fmt.Sprintf("%s is never banned: %s", s.Source, s.Why) }

// Order bans a source because an operator says so. A *Spared error says that it
// never is.
func (b *Bans) Order(now time.Time, who string, source netip.Addr, length time.Duration) (event.Ban, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if why := b.spares(source, now); why != "" {
		return event.Ban{}, &Spared{source, why}
	}
	ban := event.Ban{Source: event.BannedAs(source), Until: now.Add(length)}
	if err := b.keepOut(now, ban.Source, length); err != nil {
		return event.Ban{}, err
	}
	b.put(event.Event{Time: now, Kind: event.KindBan, Source: source, Reason: event.ByOperator, Detail: fmt.Sprintf("%s for %s, ordered by %s", ban.Source, phrase.Duration(length), who)})
	return ban, nil
}

// Lift ends the ban of a source because an operator says so, and reports whether
// there was one.
func (b *Bans) Lift(now time.Time, who string, source netip.Addr) (was bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	as, _ := b.list.Covers(source, now)
	if was, err = b.release(now, source); err == nil && was {
		over := banEnded(now, as, source, event.ByOperator)
		over.Detail += ", ordered by " + who
		b.put(over)
	}
	return was, err
}
