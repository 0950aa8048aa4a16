//go:build linux

package capture

import "time"

// Where packets arrive one by one, ten thousands a second, most of what they
// cost is to be woken for each. Beyond highRate the reader sleeps for a lull
// when it has taken all there are, which is added to the time until a door
// opens then, and only then.
const (
	highRate   = 20_000 // packets a second
	rateWindow = 10 * time.Millisecond
	lull       = 150 * time.Microsecond
)

// rate reports whether very many packets arrive.
type rate struct {
	high  bool
	since time.Time
	count int
}

// add counts n packets.
func (r *rate) add(now time.Time, n int) {
	r.count += n
	passed := now.Sub(r.since)
	if passed < rateWindow && passed >= 0 {
		return
	}
	r.high = float64(r.count) > highRate*passed.Seconds() && passed >= 0
	r.since, r.count = now, 0
}
