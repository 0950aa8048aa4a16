//go:build linux

package pump

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// The pump's thread goes before the others, and no other does.
func TestPriorityIsOfOneThread(t *testing.T) {
	mine, other := 0, 0
	raised := make(chan error)
	go func() {
		err := RaisePriority()
		mine = nice()
		asked := make(chan struct{})
		go func() { // on another thread, since that one has an owner
			runtime.LockOSThread()
			other = nice()
			close(asked)
		}()
		<-asked
		raised <- err
	}()
	err := <-raised
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		t.Skip("needs CAP_SYS_NICE or RLIMIT_NICE")
	}
	if err != nil || mine != pumpNice {
		t.Errorf("nice %d, %v; want %d", mine, err, pumpNice)
	}
	if other == pumpNice {
		t.Errorf("another thread has nice %d, too", other)
	}
}

// nice is the nice value of this thread.
func nice() int {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // the system call says 20 - nice
	if err != nil {
		return 0
	}
	return 20 - n
}
