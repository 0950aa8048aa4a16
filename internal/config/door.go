package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// A sequence has at least two knocks, because one port is found by trying, and
// at most as many as the tracker follows.
const (
	minKnocks = 2
	maxKnocks = 16
)

// DefaultOpenFor is how long a door stays open unless the configuration says otherwise.
const DefaultOpenFor = 30 * time.Second

func (l *loader) readDoor(t *table) {
	s := l.section("door", t)
	d := Door{
		Place:    t.place,
		Name:     readName(s),
		Label:    readLabel(s),
		Ports:    readPorts(s, "ports"),
		OpenFor:  s.duration("open_for", DefaultOpenFor, time.Second, 24*time.Hour),
		Single:   s.boolean("single", false),
		Sequence: list(s, "sequence", `knocks in quotes, such as ["tcp/7000", "udp/8000"]`, packet.ParsePort),
		Within:   s.duration("within", 10*time.Second, 100*time.Millisecond, 10*time.Minute),
		To:       readPrefixes(s, "to"),
		Hours:    readHours(s),
		Widen4:   s.count("widen4", 0, 16, 31),
		Widen6:   s.count("widen6", 0, 32, 127),
		Polled:   s.duration("polled", 0, time.Second, time.Hour),

		WithoutFleet: readWithoutFleet(s), Shared: readGroupName(s, "shared", `the name of a group of gates in the fleet, such as "edge"`), SharedUnbound: s.boolean("shared_unbound", false),

		Previous:      list(s, "sequence_previous", `knocks in quotes, such as ["tcp/7000", "udp/8000"]`, packet.ParsePort),
		PreviousUntil: readTime(s, "sequence_previous_until"),
		Changed:       readTime(s, "changed"),
		SequencesFile: readPath(s, "sequences_file", ""),
	}
	if s.empty("ports") {
		s.errorf(s.at("ports"), `ports is missing: want at least one port, such as ["tcp/22"]`)
	}
	if n := len(d.Ports); n > MaxPorts {
		s.errorf(s.at("ports"), "ports has %d ports: want at most %d for a door", n, MaxPorts)
	}
	l.checkSequence(s, "sequence", d.Sequence)
	l.checkSequence(s, "sequence_previous", d.Previous)
	checkWithin(s)
	checkWiden(s, d)
	if d.Polled > d.OpenFor {
		s.errorf(s.at("polled"), "polled = %s is longer than open_for = %s: a grant could be over before another firewall has read of it", phrase.Duration(d.Polled), phrase.Duration(d.OpenFor))
	}
	pair(s, "sequence", "sequence_previous", "sequence_previous_until")
	s.finish()
	l.config.Doors = append(l.config.Doors, d)
	l.doors = append(l.doors, s)
}

// checkSequence checks what can be said about a sequence on its own.
func (l *loader) checkSequence(s *section, key string, knocks []packet.Port) {
	v := s.table.values[key]
	if v == nil {
		return
	}
	if n := len(v.items); knocks != nil && (n < minKnocks || n > maxKnocks) {
		s.errorf(v.place, "%s has %d %s: want %d to %d", key, n, plural(n, "knock"), minKnocks, maxKnocks)
	}
	l.checkPrivate(s, v, "a sequence is a secret, but everybody may use this file")
}

func checkWithin(s *section) {
	has := func(key string) bool { return s.table.values[key] != nil }
	if has("within") && !has("sequence") && !has("sequences_file") {
		s.errorf(s.at("within"), "within means nothing without a sequence: remove it, or add a sequence")
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// checkDoors checks that names and door ids are unique. SPA messages name a
// door by its id; 0 stands for the client's default doors.
func (l *loader) checkDoors() {
	names := make(map[string]Place, len(l.doors))
	ids := make(map[[4]byte]string, len(l.doors))
	for _, s := range l.doors {
		if s.name == "" {
			continue // reported already
		}
		if at, twice := names[s.name]; twice {
			s.errorf(s.table.place, "already defined at %s", at)
			continue
		}
		names[s.name] = s.table.place
		if err := claim(ids, doorID(s.name), s.name); err != nil {
			s.errorf(s.at("name"), "%w", err)
		}
	}
}

// doorID is how SPA messages name a door: the first bytes of the SHA-256 of
// its name.
func doorID(name string) [4]byte {
	sum := sha256.Sum256([]byte(name))
	return [4]byte(sum[:4])
}

// claim takes an id for a name.
func claim[ID [4]byte | [6]byte](ids map[ID]string, id ID, name string) error {
	var none ID
	if id == none {
		return errors.New("this name stands for no door in SPA messages (its id is 0): choose another name")
	}
	if other, taken := ids[id]; taken {
		return fmt.Errorf("has the same id as %q in SPA messages (%x): choose another name", other, id)
	}
	ids[id] = name
	return nil
}
