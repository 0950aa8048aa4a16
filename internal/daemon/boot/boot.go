//go:build linux

// Package boot names this run of the machine, and says how long it has lasted. What
// is kept on the disk uses both to know whether times of before still count.
package boot

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ID distinguishes this run of the machine from others.
func ID() string {
	// Without it every start counts as the first after a reboot, which refuses more.
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

// Time is the time since the machine was started, sleep included. No setting of
// the clock moves it.
func Time() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 1<<63 - 1 // unknown: every deadline is over
	}
	return time.Duration(ts.Nano())
}
