//go:build !linux

// Package demo shows the main job on real packets, on Linux.
package demo
