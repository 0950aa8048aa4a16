package spa

import "time"

// Tries is how many messages a client sends before it gives up, unless its user
// says otherwise. A server under a flood serves those first who have come back
// most often (PROTOCOL.md, section 7).
const Tries = 8

// The pace of a client, which a server counts by: what comes back sooner than
// after half a second is no new try, and what everybody sends at the same time
// is a flood of its own.
const (
	firstPause   = 600 * time.Millisecond
	longestPause = 2 * time.Second
)

// Pause returns how long a client waits for an answer to its n-th message, from
// 1 on, before it sends the next one. random is in [0, 1).
func Pause(n int, random float64) time.Duration {
	if n == 1 {
		return firstPause
	}
	return firstPause + time.Duration(random*float64(longestPause-firstPause))
}
