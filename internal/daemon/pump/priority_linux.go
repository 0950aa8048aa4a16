package pump

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// pumpNice is about ten times the share of the processor that others get
// (sched(7)), on a processor that is not enough for all.
const pumpNice = -10

// RaisePriority gives the goroutine that calls it a thread of its own, until it
// ends, and lets that go before the others: in a flood the ring of packets is
// full after some 20 ms without a turn. Needs CAP_SYS_NICE, or LimitNICE=-10 in the
// unit; without, nothing changes but the thread.
func RaisePriority() error {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine

	const thisThread = 0
	if err := unix.Setpriority(unix.PRIO_PROCESS, thisThread, pumpNice); err != nil {
		return fmt.Errorf("raise the priority of the gate to nice %d: %w", pumpNice, err)
	}
	return nil
}
