//go:build linux

package capture

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for name, c := range map[string]struct {
		every time.Duration
		high  bool
	}{
		"a packet now and then": {time.Second, false},
		"a busy host":           {100 * time.Microsecond, false},
		"a flood":               {10 * time.Microsecond, true},
	} {
		var r rate
		for range 10_000 {
			now = now.Add(c.every)
			r.add(now, 1)
		}
		if r.high != c.high {
			t.Errorf("%s: high is %t", name, r.high)
		}
		if r.add(now.Add(time.Second), 1); r.high {
			t.Errorf("%s: a second of silence, and the rate is still high", name)
		}
		r.add(now.Add(-time.Hour), 1000)
		if r.high {
			t.Errorf("%s: a clock that was set back makes the rate high", name)
		}
	}
}
