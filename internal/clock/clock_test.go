package clock

import (
	"testing"
	"time"

	"sallyport/internal/clock/clocktest"
)

func TestForward(t *testing.T) {
	var w Watch
	now := time.Now()
	for i, c := range []struct {
		passes, set time.Duration
		want        bool
	}{
		{0, time.Hour, false}, // nothing to compare with
		{time.Hour, 0, false},
		{time.Second, time.Second, true},
		{time.Second, 0, false},
		{24 * time.Hour, 3 * time.Second, true},
		{0, -time.Hour, false},
		{time.Minute, time.Hour, true},
	} {
		now = clocktest.Forward(now.Add(c.passes), c.set)
		if got := w.Forward(now); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}
