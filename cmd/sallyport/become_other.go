//go:build !linux && !client_only

package main

// lackingRights names none: only Linux has them.
func lackingRights() []string { return nil }
