package event

import (
	"time"

	"sallyport/internal/packet"
)

// Contacts sums up how one source has touched closed ports in an interval. The
// source is what the packets claim: anybody can write any address there.
type Contacts struct {
	Packets     uint64
	Ports       uint32 // distinct destination ports, approximately
	Seen        uint64 // a bit for each of them, by PortBit; zero: unknown
	First, Last time.Time
}

// PortBit is the bit of a port in Contacts.Seen, by multiplicative hashing, so
// that neighbouring ports have different ones.
func PortBit(p packet.Port) uint64 {
	return 1 << ((uint64(p.Proto)<<16 | uint64(p.Number)) * 0x9E3779B97F4A7C15 >> 58)
}
