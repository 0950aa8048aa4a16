package moat

import (
	"testing"

	"sallyport/internal/key"
	"sallyport/internal/spa"
)

// With more server keys than there is room for, a suite is left out as a whole: what
// is sealed to any key of it passes.
func TestKeysThatFit(t *testing.T) {
	of := func(suites ...key.Suite) (list []spa.MoatKey) {
		for _, s := range suites {
			list = append(list, spa.MoatKey{Suite: s, Epoch: 7}, spa.MoatKey{Suite: s, Epoch: 8})
		}
		return list
	}
	for _, c := range []struct {
		keys []spa.MoatKey
		want int
	}{
		{of(key.Hybrid), 2}, {of(key.Hybrid, key.X25519), 4}, {of(key.Hybrid, key.Hybrid), 4},
		{of(key.Hybrid, key.Hybrid, key.X25519), 4}, {of(key.Hybrid, key.X25519, key.X25519), 2}, {of(key.Hybrid, key.Hybrid, key.X25519, key.X25519), 4},
	} {
		got := fitting(c.keys, 2)
		if len(got) != c.want {
			t.Errorf("%d of %d keys, want %d", len(got), len(c.keys), c.want)
		}
		for _, k := range got {
			if len(got) < len(c.keys) && k.Suite != key.Hybrid {
				t.Error("a key of a suite of which another is left out")
			}
		}
	}
}
