//go:build unix

package hook

import (
	"errors"
	"os/exec"
	"syscall"
)

// inGroup puts a command into a process group of its own, and has all of that
// killed where the command is.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// brokenPipe reports whether a command has failed in nothing but reading its
// input.
func brokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
