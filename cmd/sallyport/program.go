package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// programProblem says in our words that a program cannot be found.
func programProblem(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("there is no such program")
	}
	if problem := (*exec.Error)(nil); errors.As(err, &problem) {
		return problem.Err
	}
	return err
}

// gently has a program that its context ends be asked first: it may have to put the
// terminal in order.
func gently(cmd *exec.Cmd) *exec.Cmd {
	cmd.Cancel = func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err == nil || errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return cmd.Process.Kill() // Windows has no such signals
	}
	cmd.WaitDelay = 3 * time.Second
	return cmd
}
