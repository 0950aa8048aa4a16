package client

import "fmt"

// advised is an error with a remedy. Programs that talk to people find it with
// errors.As and an interface that has Hint.
type advised struct {
	error
	hint string
}

// Hint returns what to do about the error.
func (a *advised) Hint() string { return a.hint }

func (a *advised) Unwrap() error { return a.error }

// advise makes an error with a remedy.
func advise(hint, format string, args ...any) error {
	return &advised{fmt.Errorf(format, args...), hint}
}
