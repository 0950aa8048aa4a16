//go:build !linux

package decoy

import (
	"errors"
	"net"
)

// handshakeFirst fails: decoys are for the server, which needs Linux.
func handshakeFirst(net.Listener) error { return errors.ErrUnsupported }
