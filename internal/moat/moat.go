//go:build linux

// Package moat loads a program into the kernel (XDP) that drops junk sent to
// the SPA port before it costs anything, and sums up by source who touches
// closed ports, so that a scan costs the same at any rate. It is an
// accelerator: without it the daemon makes the same check itself, and behaves
// the same.
//
// # What is dropped
//
// UDP datagrams to the SPA port of one of the host's own addresses, with a
// length that messages have, if
//
//   - their tag fits no moat key that is accepted at the time;
//   - their tag fits, but more come from their source than can be opened;
//
// and if the host would not answer them anyway: as many as its limits for answers
// of closed ports allow, to one address and in all, are passed on, or the SPA port
// could be told from closed ports by its silence. Some of them may be from honest
// clients whose clocks are wrong.
//
// Of a STUN request that may carry a message the tag is decoded, and it is treated
// alike, where messages may come in STUN.
//
// Everything else passes untouched: other STUN requests; the messages of a suite, while there are more server keys than the program has room for,
// as after a rotation where both suites are in force; fragments, IPv6 extension headers, frames
// with more than two VLAN tags, what is forwarded for others, and datagrams of
// other lengths, which no ring takes. Where the keys of the time are not there,
// because the daemon has been dead for too long, all datagrams pass.
//
// # Attachment
//
// The program is attached to interfaces in the driver where that is possible,
// or else in the kernel's generic place, and never beside a program of someone
// else. Attachments are pinned in a folder of the BPF file system: they outlive
// the daemon, and the next one exchanges the program without a gap.
//
// Needs Linux 5.10, and CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON outside of user
// namespaces. Methods may be called by several goroutines at once. Elsewhere
// than on Linux, New returns an error that wraps [errors.ErrUnsupported].
package moat

import (
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/spa"
)

// DefaultDir is where attachments are pinned.
const DefaultDir = "/sys/fs/bpf/sallyport"

// Margin is how much farther than the daemon the program lets clocks be off,
// so that it never drops what the daemon would take: its own view of the time
// may be as old.
const Margin = 2 * time.Second

// Ahead is for how long Keys should hold keys: so long the program goes on
// dropping without the daemon.
const Ahead = 15 * time.Minute

// Keys say which datagrams are dropped.
type Keys struct {
	Port uint16        // SPA port; 0: none are
	Skew time.Duration // how far clocks may be off
	Keys []spa.MoatKey // of the times from Skew + Margin ago to Ahead and the same from now
	STUN bool          // messages of the suite x25519 may come in STUN
	Rate int           // well-tagged datagrams a second that one source may send
}

// Host says which packets concern the host.
type Host struct {
	Own    []netip.Addr
	To     []netip.Prefix         // what lies behind it and has doors: only its contacts are summed up
	Closed func(packet.Port) bool // ports that are summed up
	Silent bool                   // its closed ports do not answer
}

// Policy says where the program is to be attached.
type Policy struct {
	Off        bool     // nowhere
	Native     bool     // in drivers only
	Generic    bool     // not in drivers
	Interfaces []string // none: all physical Ethernet interfaces
}

// Contact sums up what one source has sent to closed ports.
type Contact struct {
	Source netip.Addr
	event.Contacts
}

// Attachment says how one interface is guarded.
type Attachment struct {
	Interface string
	Mode      string // "native", "generic" or "off"
	Reason    string // why it is not native
	Pinned    bool   // it outlives the daemon
}

// Modes of an attachment.
const (
	Native  = "native"
	Generic = "generic"
	Off     = "off"
)

// Counters counts packets since the program was loaded.
type Counters struct {
	WrongTag   uint64 // dropped
	OverBudget uint64 // dropped although the tag was right
	Sampled    uint64 // passed on for the host to answer, although it was to be dropped
	Tagged     uint64 // passed on: the tag is right
	Unchecked  uint64 // passed on because the keys of the time were not there
	Contacts   uint64 // summed up
}
