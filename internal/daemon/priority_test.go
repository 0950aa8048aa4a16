//go:build linux

package daemon

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// The pump's thread goes before the others, and no other does.
func TestPriorityIsOfOneThread(t *testing.T) {
	type found struct {
		err  error
		nice int
	}
	raised, other := make(chan found), make(chan found)
	go func() {
		err := raisePriority()
		raised <- found{err, nice()}
		go func() {
			runtime.LockOSThread()
			other <- found{nice: nice()}
		}()
		<-raised // the thread lives until the other one has been asked
	}()
	mine := <-raised
	if errors.Is(mine.err, unix.EACCES) || errors.Is(mine.err, unix.EPERM) {
		<-other
		raised <- found{}
		t.Skip("needs CAP_SYS_NICE or RLIMIT_NICE")
	}
	if mine.err != nil || mine.nice != pumpNice {
		t.Errorf("nice %d, %v; want %d", mine.nice, mine.err, pumpNice)
	}
	if got := <-other; got.nice == pumpNice {
		t.Errorf("another thread has nice %d, too", got.nice)
	}
	raised <- found{}
}

// nice is the nice value of this thread.
func nice() int {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // the system call says 20 - nice
	if err != nil {
		return 0
	}
	return 20 - n
}
