//go:build !linux

// Package drill attacks a copy of the administrator's gate, on Linux.
package drill
