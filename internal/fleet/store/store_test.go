package store

import (
	"testing"
	"time"
)

// A wait is all chance, below a bound that doubles up to half a minute.
func TestBackoff(t *testing.T) {
	var b Backoff
	for _, most := range []time.Duration{200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000} {
		if wait := b.Next(); wait < leastWait/2 || wait > most*time.Millisecond+leastWait/2 {
			t.Errorf("%s, want at most %s", wait, most*time.Millisecond)
		}
	}
	b.Reset()
	if wait := b.Next(); wait > 300*time.Millisecond {
		t.Errorf("after a success: %s", wait)
	}
}
