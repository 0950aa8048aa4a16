package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport/internal/sequence"
)

// Rotating says what rotating sequences look like. Clients must have the same
// shape.
type Rotating struct {
	sequence.Shape               // default sequence.DefaultShape
	Within         time.Duration // limit for the whole sequence; 100ms to 20s; default 10s
}

// Secret is the secret of a client's rotating sequences, and the one before,
// which works until a time.
type Secret struct {
	Current       sequence.Secret // zero: none
	Previous      sequence.Secret // zero: none
	PreviousUntil time.Time
}

// Secrets returns those that are in force.
func (s Secret) Secrets(now time.Time) []sequence.Secret {
	var list []sequence.Secret
	if !s.Current.IsZero() {
		list = append(list, s.Current)
	}
	if !s.Previous.IsZero() && now.Before(s.PreviousUntil) {
		list = append(list, s.Previous)
	}
	return list
}

// Rotates reports whether a client has rotating sequences.
func (c *Config) Rotates() bool {
	for i := range c.Clients {
		if !c.Clients[i].Rotating.Current.IsZero() {
			return true
		}
	}
	return false
}

func (l *loader) readRotating(t *table) {
	s := l.section("rotating", t)
	before := len(l.errs)
	shape := sequence.DefaultShape
	if n := s.number("knocks", sequence.MaxKnocks); s.table.values["knocks"] != nil {
		shape.Knocks = int(n)
	}
	shape.First, shape.Last = s.portRange("ports", shape.First, shape.Last)
	shape.Protos = sequence.Protos(s.choice("proto", string(sequence.OnlyTCP), string(sequence.OnlyUDP), string(sequence.BothProtos)))
	l.config.Rotating = Rotating{Shape: shape, Within: s.duration("within", 10*time.Second, 100*time.Millisecond, 20*time.Second)}
	s.finish()
	if err := shape.Validate(); err != nil && len(l.errs) == before {
		s.errorf(s.table.place, "%w", err)
	}
}

// portRange reads "1024-32767".
func (s *section) portRange(key string, first, last uint16) (uint16, uint16) {
	want := fmt.Sprintf(`a range of ports within 1-%d, such as "1024-32767"`, sequence.HighestPort)
	v := s.scalar(key, unstable.String, want)
	if v == nil {
		return first, last
	}
	from, to, _ := strings.Cut(v.text, "-")
	a, errA := strconv.ParseUint(from, 10, 15)
	b, errB := strconv.ParseUint(to, 10, 15)
	if errA != nil || errB != nil || a < 1 || a > b || v.text != fmt.Sprintf("%d-%d", a, b) {
		s.bad(key, v, want)
		return first, last
	}
	return uint16(a), uint16(b)
}

// readSecret reads the secrets of a client. Messages never show them.
func (l *loader) readSecret(s *section) Secret {
	secret := Secret{
		Current:       l.secret(s, "rotating"),
		Previous:      l.secret(s, "rotating_previous"),
		PreviousUntil: readTime(s, "rotating_previous_until"),
	}
	pair(s, "rotating", "rotating_previous", "rotating_previous_until")
	if !secret.Current.IsZero() && secret.Current == secret.Previous {
		s.errorf(s.at("rotating_previous"), "rotating_previous is the same secret as rotating: want the one before")
	}
	return secret
}

func (l *loader) secret(s *section, key string) sequence.Secret {
	const want = "a secret in quotes, as sallyport client rotate makes it"
	v := s.get(key)
	if v == nil {
		return sequence.Secret{}
	}
	l.checkPrivate(s, v, "a secret is no secret if everybody may use this file")
	if v.kind != unstable.String {
		s.errorf(v.place, "%s: want %s", key, want)
		return sequence.Secret{}
	}
	secret, err := sequence.ParseSecret(v.text)
	if err != nil {
		s.errorf(v.place, "%s: %w", key, err)
	}
	return secret
}

// pair checks that what was there before has an end, and something after it.
func pair(s *section, current, previous, until string) {
	has := func(key string) bool { return s.table.values[key] != nil }
	switch {
	case has(previous) != has(until):
		s.errorf(s.at(previous), "%s and %s belong together: want both or none", previous, until)
	case has(previous) && !has(current):
		s.errorf(s.at(previous), "%s means nothing without %s: remove it", previous, current)
	}
}

// checkPrivate refuses a secret in a file that everybody may read, once a file.
func (l *loader) checkPrivate(s *section, v *value, why string) {
	if mode, read := l.modes[v.place.File]; read && mode&0o007 != 0 {
		s.errorf(v.place, "%s (mode %04o): run chmod o-rwx %s", why, mode.Perm(), v.place.File)
		delete(l.modes, v.place.File)
	}
}

// maxRotating is how many pairs of a client with a rotating secret and a door
// there may be: the sequences of each are derived again every 30 seconds.
const maxRotating = 10_000

// checkSecrets checks that no two clients have the same secret: the gate could
// not tell whose knocks they are.
func (l *loader) checkSecrets() {
	type owner struct {
		client int
		key    string
	}
	owners := make(map[sequence.Secret]owner)
	pairs := 0
	for i, c := range l.config.Clients {
		if !c.Rotating.Current.IsZero() {
			before := pairs
			if pairs += len(c.Doors) + len(c.Groups); pairs > maxRotating && before <= maxRotating {
				l.clients[i].errorf(l.clients[i].at("rotating"), "rotating: more than %d pairs of such a client and a door or group: use keys for some of them", maxRotating)
			}
		}
		for _, has := range []struct {
			key    string
			secret sequence.Secret
		}{{"rotating", c.Rotating.Current}, {"rotating_previous", c.Rotating.Previous}} {
			first, taken := owners[has.secret]
			if taken && first.client != i && !has.secret.IsZero() {
				s := l.clients[i]
				s.errorf(s.at(has.key), "%s: client %q has the same secret at %s: want a secret of its own", has.key, l.config.Clients[first.client].Name, l.clients[first.client].at(first.key))
			}
			if !taken {
				owners[has.secret] = owner{i, has.key}
			}
		}
	}
}
