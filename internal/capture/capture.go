//go:build linux

// Package capture takes packets off the wire before any firewall sees them:
// those that can be knocks and those that can be SPA messages, from every
// interface, also from one that appears later, and never what this host itself
// sends or what goes over its loopback.
//
// A filter in the kernel (classic BPF) lets through only what can matter, into
// two memory-mapped rings: small frames for knocks, large ones for SPA messages,
// so that a flood of one kind cannot push out the other. The filter is only an
// economy; the reader of the packets checks everything again.
//
// A pcap file can be read through the same interface.
package capture

import "time"

// Source delivers packets. One goroutine calls Receive.
type Source interface {
	// Receive waits for packets, calls handle for a bounded number of those that
	// are ready, and returns; it also returns after Wake. At the end of a file it
	// returns io.EOF.
	Receive(handle Handler) error
	// Wake makes Receive return, or the next one if none is waiting. Any
	// goroutine may call it, also after Close.
	Wake()
	// Stats counts since the start. Any goroutine may call it, also after Close.
	Stats() (Stats, error)
	// Close releases everything. Receive must have returned.
	Close() error
}

// Handler takes a packet. now is its time of arrival (of an SPA message, which
// has a time of its own, that at which it is looked at), in the index of the interface that
// it came by (0: unknown, as from a file). ip is the packet from its IP header
// on and is valid during the call only.
type Handler func(now time.Time, in int, ip []byte)

// Stats counts what has arrived, by ring.
type Stats map[string]Ring

// Ring counts the packets of one ring.
type Ring struct {
	Received uint64 // passed the filter
	Lost     uint64 // of these, for which the ring had no room
	Broken   uint64 // of these, frames that made no sense
	Late     uint64 // of these, knocks that were looked at so long after their arrival that they do not count
}

// Options say how a live capture is made.
type Options struct {
	Filter        Filter
	KnockBlocks   int // MiB for knocks; default 8, which holds 32,768 packets
	MessageBlocks int // MiB for SPA messages; default 4, which holds 2,728
}

// Filter says which packets to take.
type Filter struct {
	TCP, UDP   Ports // ports at which a SYN or a datagram can be a knock
	SPAPort    uint16
	SPALengths []Span // payload lengths of valid messages; empty: any
	SPAInSTUN  bool   // at the same port, STUN requests too

	FwknopPort    uint16 // the same for packets of fwknop's
	FwknopLengths []Span

	Sample int // of the packets to TCP and UDP ports take one in so many, at random; 0 or 1: all
}

// Span is a range of lengths in bytes, both ends included.
type Span struct{ First, Last int }
