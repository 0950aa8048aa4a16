//go:build !linux

package daemon

func raisePriority() error { return nil }
