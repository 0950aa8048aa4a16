//go:build linux

package pump

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// fewContacts is how many packets to closed ports a second are looked at where
// they serve nothing but detection: about a tenth of a core.
const fewContacts = 50_000

// sampling says of how many packets to closed ports one is captured. The zero
// sampling is one in one.
type sampling struct {
	allowed atomic.Bool  // no sequence watches for knocks: any packet may be one
	sample  atomic.Int64 // a power of two; zero: one
}

func (s *sampling) factor() int {
	if !s.allowed.Load() {
		return 1
	}
	return max(1, int(s.sample.Load()))
}

func (s *sampling) allow(yes bool) {
	s.allowed.Store(yes)
	if !yes {
		s.sample.Store(1)
	}
}

// adapt takes how many packets were captured in a time, and reports whether the
// factor has changed.
func (s *sampling) adapt(captured uint64, passed time.Duration) bool {
	if !s.allowed.Load() {
		return false
	}
	before := s.factor()
	next := nextSample(before, float64(captured)*float64(before)/passed.Seconds())
	s.sample.Store(int64(next))
	return next != before
}

// nextSample returns of how many packets one is to be taken. It goes down by
// half, and only when there are clearly fewer.
func nextSample(sample int, rate float64) int {
	least := 1 << bits.Len(uint(math.Ceil(max(1, rate/fewContacts)))-1)
	switch {
	case least > sample:
		return least
	case sample > 1 && 2*rate < float64(sample)*fewContacts:
		return sample / 2
	}
	return sample
}
