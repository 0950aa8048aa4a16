package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// become runs another program in the place of this one and ends with its
// status: a process cannot turn into another here.
func become(path string, args []string) error {
	cmd := exec.Command(path, args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		os.Exit(exitDone)
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	}
	return fmt.Errorf("run %s: %w", path, err)
}
