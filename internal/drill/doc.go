//go:build !linux

// Package drill shows the main job on real packets, on Linux.
package drill
