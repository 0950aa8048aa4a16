package detect

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
)

// sources remembers what each of very many sources has done, in a table of
// fixed size: in sets of eight, as in a processor's cache. In a full set the
// source that has done least makes room, and among equals the one that was seen
// longest ago, so a flood of new sources pushes out new sources. An IPv6 source
// is a /64: anyone who has one address of it has all.
type sources struct {
	seed maphash.Seed
	sets []sourceSet
}

const (
	sourceSets = 1 << 13
	sourceWays = 8
)

type sourceSet [sourceWays]source

// source is what one source has done. Times are in seconds since the
// detector's epoch; 0 is never.
type source struct {
	hi, lo  uint64 // the address
	last    uint32
	granted uint32
	excused uint64 // ports that lead to what was granted, by event.PortBit
	fast    window // ports within the latest scan_window
	slow    window // and in the windows before that
	guesses tally
	near    tally
	replays tally
	logins  tally
	scanned tally // packets that are no flood
	waits   bool  // it is among the pending
}

func (s *source) used() bool { return s.last != 0 }

// patience is by how much limits are higher for a source that has got in
// before: its failures are most likely mistakes, of more than one person perhaps.
func (s *source) patience(factor int) int {
	if s.granted != 0 {
		return factor
	}
	return 1
}

// rank says how much would be lost with a source.
func (s *source) rank(now uint32) int {
	const day = 24 * 60 * 60
	switch {
	case !s.used():
		return 0
	case s.granted != 0 && now-s.granted < day:
		return 4
	case s.guesses.n+s.near.n+s.replays.n+s.logins.n > 0:
		return 3
	case s.slow.sum > 0:
		return 2
	}
	return 1
}

func newSources(seed maphash.Seed) *sources {
	return &sources{seed: seed, sets: make([]sourceSet, sourceSets)}
}

// hostOf is the address under which a source is known.
func hostOf(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	b := a.As16()
	clear(b[8:])
	return netip.AddrFrom16(b)
}

func halves(a netip.Addr) (hi, lo uint64) {
	b := hostOf(a).As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

func hashOf(seed maphash.Seed, a netip.Addr) uint64 {
	hi, lo := halves(a)
	return maphash.Comparable(seed, [2]uint64{hi, lo})
}

// find returns what is known of a source, or nil.
func (t *sources) find(a netip.Addr) *source {
	hi, lo := halves(a)
	set := &t.sets[maphash.Comparable(t.seed, [2]uint64{hi, lo})%sourceSets]
	for i := range set {
		if s := &set[i]; s.hi == hi && s.lo == lo && s.used() {
			return s
		}
	}
	return nil
}

// make returns what is known of a source, of which something is to be noted.
func (t *sources) make(a netip.Addr, now uint32) *source {
	hi, lo := halves(a)
	set := &t.sets[maphash.Comparable(t.seed, [2]uint64{hi, lo})%sourceSets]
	victim, least := &set[0], 1<<10
	for i := range set {
		s := &set[i]
		if s.hi == hi && s.lo == lo && s.used() {
			s.last = now
			return s
		}
		if r := s.rank(now); r < least || r == least && s.last < victim.last {
			victim, least = s, r
		}
	}
	*victim = source{hi: hi, lo: lo, last: now}
	return victim
}

// tally counts within a span of time that begins with what is counted first.
type tally struct {
	since uint32
	n     uint32
}

// within counts n more, if there are then at most so many in this span of seconds.
func (t *tally) within(most int, now, span uint32, n uint64) bool {
	if t.n == 0 || now-t.since >= span {
		*t = tally{since: now}
	}
	if n > uint64(most)-uint64(t.n) {
		return false
	}
	t.n += uint32(n)
	return true
}

// add counts one more and returns how many there are in this span of seconds.
func (t *tally) add(now uint32, span uint32) int {
	if t.n == 0 || now-t.since >= span {
		*t = tally{since: now}
	}
	t.n++
	return int(t.n)
}
