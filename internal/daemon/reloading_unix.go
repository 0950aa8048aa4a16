//go:build linux

package daemon

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// reloading is the state that Type=notify-reload wants, with the monotonic
// time in microseconds.
func reloading() []string {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return []string{"RELOADING=1"}
	}
	return []string{"RELOADING=1", "MONOTONIC_USEC=" + strconv.FormatInt(ts.Nano()/1000, 10)}
}
