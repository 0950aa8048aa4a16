//go:build !linux

// Package served runs the real daemon on the gate of a lab, on Linux.
package served
