//go:build !linux

// Package facts finds out about this host what package lint judges.
package facts

import (
	"sallyport/internal/config"
	"sallyport/internal/lint"
)

// OfHost finds out nothing about this host.
func OfHost(*config.Config) (*lint.Facts, []string) {
	return nil, []string{"this host was not looked at: that needs Linux, and the whole program"}
}
