package daemon

import (
	"time"

	"golang.org/x/sys/unix"
)

// boottime is the time since the machine was started, sleep included. No
// setting of the clock moves it.
func boottime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 1<<63 - 1 // nobody knows: every deadline is over
	}
	return time.Duration(ts.Nano())
}
