// Package conntrack ends connections that are under way, and reports when they
// begin and end. Sallyport leaves established connections alone when a grant
// ends; an administrator, or a program that has found a machine compromised, can
// ask for more. And the journal reports which connection has used a grant.
package conntrack

import (
	"net/netip"

	"sallyport/internal/packet"
)

// Flow is a connection that the kernel tracks, or has ceased to track. All but
// Answered, Ended and Bytes name it: the kernel's id alone may be another flow's
// later.
type Flow struct {
	ID     uint32
	Source netip.Addr
	From   uint16      // the source's port
	To     netip.Addr  // as the outside world sees it, before any DNAT
	Port   packet.Port // likewise

	// What has become of it since it began.
	Answered bool // TCP: its handshake is completed, which a forged source cannot do; else: a reply has been seen
	Ended    bool
	Bytes    uint64 // of an ended flow, both ways; 0: the kernel does not count (net.netfilter.nf_conntrack_acct)
}

// Name is the flow without what becomes of it.
func (f Flow) Name() Flow {
	f.Answered, f.Ended, f.Bytes = false, false, 0
	return f
}
