package main

import (
	"errors"
	"os/exec"
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
