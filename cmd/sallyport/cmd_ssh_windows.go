package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// passesDescriptors reports whether ssh takes a connection from a proxy.
const passesDescriptors = false

// quoteWord makes one word of a command line.
func quoteWord(word string) string { return syscall.EscapeArg(word) }

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
