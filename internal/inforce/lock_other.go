//go:build !linux

package inforce

import "os"

// lock does nothing: there is no daemon.
func lock(*os.File) (bool, error) { return true, nil }
