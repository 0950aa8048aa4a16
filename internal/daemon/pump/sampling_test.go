//go:build linux

package pump

import (
	"testing"
	"time"
)

func TestNextSample(t *testing.T) {
	for _, c := range []struct {
		sample int
		rate   float64 // of all packets, a second
		want   int
	}{
		{1, 0, 1},
		{1, fewContacts, 1},
		{1, fewContacts + 1, 2},
		{1, 20 * fewContacts, 32},
		{32, 20 * fewContacts, 32},
		{32, 17 * fewContacts, 32}, // not back and forth
		{32, 15 * fewContacts, 16},
		{32, 0, 16},
		{2, 0, 1},
		{2, 1.1 * fewContacts, 2},
	} {
		if got := nextSample(c.sample, c.rate); got != c.want {
			t.Errorf("one in %d, %.0f a second: one in %d, want %d", c.sample, c.rate, got, c.want)
		}
	}
}

func TestKnocksAreNeverSampled(t *testing.T) {
	var s sampling
	if s.adapt(1e7, time.Second); s.factor() != 1 {
		t.Error("sampled before anybody allowed it")
	}
	s.allow(true)
	if !s.adapt(1e6, time.Second) || s.factor() != 32 {
		t.Errorf("one in %d", s.factor())
	}
	if s.adapt(1e6/32, time.Second) {
		t.Errorf("the same flood, sampled, is taken for another: one in %d", s.factor())
	}
	s.allow(false)
	if s.factor() != 1 {
		t.Error("a sequence has come, and its knocks are sampled")
	}
}
