// Package netstate tells what the gate must know about the network of the
// host it runs on: its own addresses, as they come and go, the ports that
// somebody already listens on, and the range from which the kernel takes
// ports for outgoing connections.
//
// Everything is asked of the kernel over netlink, in the network namespace of
// the calling thread, and nothing is remembered. No privileges are needed.
// All functions may be called by several goroutines at once. Linux only:
// elsewhere each returns an error that wraps [errors.ErrUnsupported].
package netstate

import "sallyport/internal/packet"

// Service is a port that somebody listens on.
type Service struct {
	Port packet.Port
	// Process is the name of the program that holds the socket, such as "sshd";
	// "" where this user may not know.
	Process string
}
