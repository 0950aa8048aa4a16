//go:build !linux && !client_only

package main

import (
	"sallyport/internal/config"
	"sallyport/internal/lint"
)

// gather finds out nothing about this host.
func gather(*config.Config) (*lint.Facts, []string) {
	return nil, []string{"this host was not looked at: that needs Linux, and the whole program"}
}
