package hook

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// giveUpRights makes what the calling goroutine starts from now on run without
// the capabilities that a service manager has given the daemon: ambient
// capabilities are a thread's, and inherited from it (capabilities(7)). The
// goroutine keeps its thread, which ends with it. Children of root remain root's.
func giveUpRights() error {
	runtime.LockOSThread()
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
}
