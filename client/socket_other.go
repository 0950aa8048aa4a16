//go:build !linux && !darwin && !windows

package client

import (
	"errors"
	"syscall"
)

// dontFragment leaves it to this system whether messages are fragmented.
func dontFragment(string, string, syscall.RawConn) error { return nil }

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

func isTooLarge(err error) bool { return errors.Is(err, syscall.EMSGSIZE) }
