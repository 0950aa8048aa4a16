package key

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Keyring holds the keys of a server: the current one, and for a while after a
// rotation the one before. The zero Keyring holds none.
type Keyring struct {
	current  Private
	previous Private   // zero: none
	until    time.Time // end of previous; whole seconds, UTC
}

// NewKeyring returns a keyring with one key.
func NewKeyring(current Private) Keyring { return Keyring{current: current} }

// Rotate returns a keyring whose current key is next, and in which what was
// current goes on being accepted until a time (cut to whole seconds). A key
// older than that is dropped, even if it had time left.
func (r Keyring) Rotate(next Private, until time.Time) Keyring {
	return Keyring{current: next, previous: r.current, until: until.UTC().Truncate(time.Second)}
}

// Current returns the key that new profiles are made with.
func (r Keyring) Current() Private { return r.current }

// Previous returns the key before, and until when it is accepted. It is zero
// if there is none. Whether its time is over is for the caller to see.
func (r Keyring) Previous() (Private, time.Time) { return r.previous, r.until }

const keyringHead = "# Sallyport server key. Keep it secret: with it, recorded knocks can be read.\n"

// Marshal writes the text of the key file, which belongs in a file that only
// its owner can read.
func (r Keyring) Marshal() ([]byte, error) {
	if r.current.IsZero() {
		return nil, fmt.Errorf("write the server key: %w", errNoKey)
	}
	text := keyringHead + "current " + r.current.Reveal() + "\n"
	if !r.previous.IsZero() {
		text += "previous " + r.previous.Reveal() + " until " + r.until.Format(time.RFC3339) + "\n"
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
	var r Keyring
	var err error
	switch len(lines) {
	case 2:
		if r.previous, r.until, err = parsePrevious(lines[1]); err != nil {
			return Keyring{}, fmt.Errorf("line 3: %w", err)
		}
		fallthrough
	case 1:
		if r.current, err = parseCurrent(lines[0]); err != nil {
			return Keyring{}, fmt.Errorf("line 2: %w", err)
		}
		return r, nil
	}
	return Keyring{}, fmt.Errorf("%d lines: want two or three", len(lines)+1)
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
