package key

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Keyring holds the keys of a server. Those of both suites are in force together:
// the current one of each, and for a while after its rotation the one before. The
// zero Keyring holds none.
type Keyring struct{ held []Held } // at most one of each suite, Hybrid first

// Held are the keys of one suite.
type Held struct {
	Current  Private
	Previous Private   // zero: none
	Until    time.Time // end of Previous; whole seconds, UTC; whether it is over is for the caller to see
}

// Suite returns that of the keys.
func (h Held) Suite() Suite { return h.Current.public.suite }

// NewKeyring returns a keyring with one key.
func NewKeyring(current Private) Keyring { return Keyring{[]Held{{Current: current}}} }

// Rotate returns a keyring in which next is the current key of its suite, and what was
// that goes on being accepted until a time (cut to whole seconds). A key older
// than that is dropped, even if it had time left. The keys of the other suite stay.
func (r Keyring) Rotate(next Private, until time.Time) Keyring {
	after := Held{Current: next}
	if before, ok := r.Of(next.public.suite); ok {
		after.Previous, after.Until = before.Current, until.UTC().Truncate(time.Second)
	}
	return r.with(after)
}

func (r Keyring) with(h Held) Keyring {
	list := append(slices.DeleteFunc(slices.Clone(r.held), func(o Held) bool { return o.Suite() == h.Suite() }), h)
	slices.SortFunc(list, func(a, b Held) int { return -cmp.Compare(a.Suite(), b.Suite()) })
	return Keyring{list}
}

// All returns the keys of each suite that there are keys of, Hybrid first.
func (r Keyring) All() []Held { return r.held }

// Suites returns the suites that there are keys of.
func (r Keyring) Suites() (list []Suite) {
	for _, h := range r.held {
		list = append(list, h.Suite())
	}
	return list
}

// Of returns the keys of a suite, if there are any.
func (r Keyring) Of(s Suite) (Held, bool) {
	for _, h := range r.held {
		if h.Suite() == s {
			return h, true
		}
	}
	return Held{}, false
}

// IsZero reports whether there is no key.
func (r Keyring) IsZero() bool { return len(r.held) == 0 }

// Current returns the key that profiles are made with, where nothing speaks for the
// other suite. It is zero if there is none.
func (r Keyring) Current() Private {
	if r.IsZero() {
		return Private{}
	}
	return r.held[0].Current
}

const keyringHead = "# Sallyport server key. Keep it secret: with it, recorded knocks can be read.\n"

// Marshal writes the text of the key file, which belongs in a file that only
// its owner can read.
func (r Keyring) Marshal() ([]byte, error) {
	if r.IsZero() || r.held[0].Current.IsZero() {
		return nil, fmt.Errorf("write the server key: %w", errNoKey)
	}
	text := keyringHead
	for _, h := range r.held {
		text += "current " + h.Current.Reveal() + "\n"
		if !h.Previous.IsZero() {
			text += "previous " + h.Previous.Reveal() + " until " + h.Until.Format(time.RFC3339) + "\n"
		}
	}
	return []byte(text), nil
}

// ParseKeyring reads what Marshal writes, and nothing else. Its errors never
// repeat what the file holds.
func ParseKeyring(text []byte) (Keyring, error) {
	r, err := parseKeyring(string(text))
	if err != nil {
		return Keyring{}, fmt.Errorf("server key file: %w", err)
	}
	return r, nil
}

func parseKeyring(text string) (Keyring, error) {
	body, ok := strings.CutPrefix(text, keyringHead)
	if !ok || !strings.HasSuffix(body, "\n") {
		return Keyring{}, errors.New("not one, or cut short: restore it from a backup, or make a new key and hand out new profiles")
	}
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if len(lines) > maxKeyLines {
		return Keyring{}, fmt.Errorf("%d lines: want two to five", len(lines)+1)
	}
	var r Keyring
	for i, line := range lines {
		if err := r.parseLine(line); err != nil {
			return Keyring{}, fmt.Errorf("line %d: %w", i+2, err)
		}
	}
	return r, nil
}

// maxKeyLines is how many keys there can be: two of each suite.
const maxKeyLines = 4

// parseLine takes the next key. It belongs to the last one if it is a previous one.
func (r *Keyring) parseLine(line string) error {
	last := len(r.held) - 1
	if last < 0 || strings.HasPrefix(line, "current ") {
		k, err := parseCurrent(line)
		if err == nil && last >= 0 && r.held[last].Suite() <= k.public.suite {
			err = errors.New("a second key of a suite, or in the wrong order")
		}
		if err == nil {
			r.held = append(r.held, Held{Current: k})
		}
		return err
	}
	h := &r.held[last]
	if !h.Previous.IsZero() {
		return errors.New(`want "current KEY"`)
	}
	k, until, err := parsePrevious(line)
	if err == nil && k.public.suite != h.Suite() {
		err = errors.New("a previous key of another suite than the current one before it")
	}
	h.Previous, h.Until = k, until
	return err
}

func parseCurrent(line string) (Private, error) {
	text, ok := strings.CutPrefix(line, "current ")
	if !ok {
		return Private{}, errors.New(`want "current KEY"`)
	}
	return ParsePrivate(text)
}

func parsePrevious(line string) (Private, time.Time, error) {
	rest, ok := strings.CutPrefix(line, "previous ")
	text, end, ok2 := strings.Cut(rest, " until ")
	if !ok || !ok2 {
		return Private{}, time.Time{}, errors.New(`want "previous KEY until TIME"`)
	}
	until, err := time.Parse(time.RFC3339, end)
	if err != nil || until.UTC().Format(time.RFC3339) != end {
		return Private{}, time.Time{}, fmt.Errorf("time %q: want one such as 2031-01-02T03:04:05Z", shown(end))
	}
	k, err := ParsePrivate(text)
	return k, until.UTC(), err
}
