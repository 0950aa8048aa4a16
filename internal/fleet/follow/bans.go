package follow

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/fleet/record"
)

// Bounds on what a gate that has been taken over can have others do.
const (
	LongestBan  = 24 * time.Hour
	BanApart    = time.Second // between two words of one gate
	MostBans    = 10_000      // of one gate
	mostAllBans = 30_000      // of all: less than half of what a gate can ban
	banAhead    = time.Minute // that the clock of its writer may be ahead
)

// Bans are the words of gates on whom to keep out, as far as they count: on each network
// the latest, whose ever it is. A word whose end is its beginning lifts the ban. The zero
// Bans know none.
type Bans struct {
	words   map[netip.Prefix]Banned
	seconds map[string]map[int64]netip.Prefix // by gate: of which network it has spoken in which second
	swept   time.Time                         // when what is over was last looked for
}

// Banned is the word of a gate on a network.
type Banned struct {
	record.Ban
	By string
}

// Lifts reports whether a word ends a ban.
func (b Banned) Lifts() bool { return !b.Until.After(b.At) }

// over reports whether a word has nothing more to say: a lifted ban cannot come back by an
// older word, because that one has ended, too.
func (b Banned) over(now time.Time) bool {
	if b.Lifts() {
		return now.Sub(b.At) > LongestBan+banAhead
	}
	return !now.Before(b.Until)
}

// Take takes the word of a gate, and reports whether it is news, and what was said before:
// the zero word if nothing was. An error says why it does not count.
func (b *Bans) Take(now time.Time, w Banned) (before Banned, news bool, err error) {
	before, known := b.words[w.Source]
	if known && !w.At.After(before.At) || w.over(now) {
		return before, false, nil
	}
	if err := w.bounded(now); err != nil {
		return before, false, fmt.Errorf("gate %s bans %s: %w", w.By, w.Source, err)
	}
	if known && before.By == w.By && w.At.Sub(before.At) < BanApart {
		return before, false, fmt.Errorf("gate %s speaks of %s more than once a second", w.By, w.Source)
	}
	if err := b.room(now, w); err != nil {
		return before, false, err
	}
	b.drop(w.Source)
	if b.words == nil {
		b.words, b.seconds = map[netip.Prefix]Banned{}, map[string]map[int64]netip.Prefix{}
	}
	if b.seconds[w.By] == nil {
		b.seconds[w.By] = map[int64]netip.Prefix{}
	}
	b.words[w.Source], b.seconds[w.By][w.At.Unix()] = w, w.Source
	return before, true, nil
}

// bounded refuses what no gate bans by itself.
func (b Banned) bounded(now time.Time) error {
	switch {
	case !slices.Contains(event.BanLevels(b.Source.Addr()), b.Source):
		return errors.New("want an IPv4 address, or a /64, /56 or /48 of IPv6")
	case b.Until.Sub(b.At) > LongestBan:
		return errors.New("for longer than a day")
	case b.At.Sub(now) > banAhead:
		return fmt.Errorf("at a time to come (%s): one of the clocks is off", b.At.Format(time.DateTime))
	}
	return nil
}

// room refuses a word that is one too many.
func (b *Bans) room(now time.Time, w Banned) error {
	if other, taken := b.seconds[w.By][w.At.Unix()]; taken && other != w.Source {
		return fmt.Errorf("gate %s bans more than one network a second", w.By)
	}
	if (len(b.seconds[w.By]) >= MostBans || len(b.words) >= mostAllBans) && now.Sub(b.swept).Abs() >= time.Second { // gates decide how often this is
		b.Expire(now)
	}
	if _, known := b.words[w.Source]; known {
		return nil
	}
	switch {
	case len(b.seconds[w.By]) >= MostBans:
		return fmt.Errorf("gate %s bans more than %d networks", w.By, MostBans)
	case len(b.words) >= mostAllBans:
		return fmt.Errorf("the gates of the fleet ban more than %d networks", mostAllBans)
	}
	return nil
}

func (b *Bans) drop(source netip.Prefix) {
	w, known := b.words[source]
	if !known {
		return
	}
	delete(b.words, source)
	if delete(b.seconds[w.By], w.At.Unix()); len(b.seconds[w.By]) == 0 {
		delete(b.seconds, w.By)
	}
}

// Expire forgets words that have nothing more to say.
func (b *Bans) Expire(now time.Time) {
	b.swept = now
	for source, w := range b.words {
		if w.over(now) {
			b.drop(source)
		}
	}
}

// Without forgets the words of those that are no gates any more, and returns them.
func (b *Bans) Without(is func(gate string) bool) (gone []Banned) {
	for source, w := range b.words {
		if !is(w.By) {
			gone = append(gone, w)
			b.drop(source)
		}
	}
	return gone
}

// On returns the words on the networks by which a source can be banned.
func (b *Bans) On(source netip.Addr) (list []Banned) {
	for _, as := range event.BanLevels(source) {
		if w, known := b.words[as]; known {
			list = append(list, w)
		}
	}
	return list
}

// Next returns when a gate may speak next, at a time or soon after it, so that its word on
// a network counts and is the latest.
func (b *Bans) Next(now time.Time, gate string, source netip.Prefix) time.Time {
	at := now.Truncate(time.Millisecond)
	if w, known := b.words[source]; known && !w.At.Add(BanApart).Before(at) {
		at = w.At.Add(BanApart)
	}
	said := b.seconds[gate]
	for {
		if other, taken := said[at.Unix()]; !taken || other == source {
			return at
		}
		at = at.Add(BanApart)
	}
}
