//go:build linux && !client_only

package main

import "syscall"

// ownSession has a process outlive the terminal that it was started from.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
