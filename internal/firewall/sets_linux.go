package firewall

import (
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"

	"sallyport/internal/packet"
)

const (
	tableName = "sallyport"

	// layout names the arrangement of chains and sets. It is the comment of
	// the set of doors. A table with another one is built again, without its
	// grants.
	layout = "sallyport layout 1"

	// midstreamFor is how long the kernel remembers an idle connection by
	// default (net.netfilter.nf_conntrack_tcp_timeout_established).
	midstreamFor = 5 * 24 * time.Hour

	// halfopenFor is how long a connection that was let begin by a single grant
	// is held against it after its last SYN: longer than a host waits for the end of
	// a handshake (127 s with six repetitions, net.ipv4.tcp_synack_retries).
	halfopenFor = 5 * time.Minute

	// maxHalfopen bounds how many such connections are remembered.
	maxHalfopen = 1 << 16

	// maxElements bounds each set of grants, at some 130 bytes of kernel memory
	// for an element: anyone who has overheard a static sequence can send it under
	// any number of addresses, and a door can have 1,024 ports.
	maxElements = 1 << 20
)

// family is what differs between IPv4 and IPv6.
type family struct {
	name    string // of the sets: "4" or "6"
	nfproto byte
	length  uint32 // of an address, in bytes
	source  uint32 // where the source address stands in the header
	dest    uint32 // where the destination address does
	address nftables.SetDatatype
}

var families = [...]family{
	{"4", 2, 4, 12, 16, nftables.TypeIPAddr},
	{"6", 10, 16, 8, 24, nftables.TypeIP6Addr},
}

// sets are all sets of the table.
type sets struct {
	interfaces, doors, public, several *nftables.Set
	refused, trial                     *nftables.Set
	trusted, forward                   pair
	granted, midstream, wide, banned   pair
	halfopen                           pair
	single                             map[packet.Proto]pair
}

// pair is a set for IPv4 and one for IPv6.
type pair [2]*nftables.Set

// of returns the set for addresses like a.
func (p pair) of(a netip.Addr) *nftables.Set {
	if a.Is4() {
		return p[0]
	}
	return p[1]
}

// newSets describes the sets of a table.
func newSets(t *nftables.Table) *sets {
	named := func(name string, s nftables.Set) *nftables.Set {
		s.Table, s.Name = t, name
		return &s
	}
	both := func(name string, s nftables.Set, more ...nftables.SetDatatype) (p pair) {
		for i, f := range families {
			s.KeyType = nftables.MustConcatSetType(append([]nftables.SetDatatype{f.address}, more...)...)
			p[i] = named(name+f.name, s)
		}
		return p
	}
	proto, port := nftables.TypeInetProto, nftables.TypeInetService
	ports := nftables.Set{Concatenation: true, KeyType: nftables.MustConcatSetType(proto, port)}
	doors, refused, several := ports, ports, ports
	doors.Comment = layout
	refused.Counter = true
	several.IsMap, several.DataType = true, nftables.TypeVerdict
	single := nftables.Set{HasTimeout: true, Concatenation: true, Dynamic: true, Size: maxElements}
	s := &sets{
		interfaces: named("interfaces", nftables.Set{KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian}),
		doors:      named("doors", doors),
		public:     named("public", ports),
		refused:    named("refused", refused),
		several:    named("several", several),
		trial:      named(trialSet, nftables.Set{HasTimeout: true, KeyType: nftables.TypeNFProto}),
		trusted:    both("trusted", nftables.Set{Interval: true}),
		forward:    both("forward", nftables.Set{Interval: true, Concatenation: true}, proto, port),
		granted:    both("granted", nftables.Set{HasTimeout: true, Concatenation: true, Size: maxElements}, proto, port),
		banned:     both("banned", nftables.Set{HasTimeout: true}),
		wide:       both("wide", nftables.Set{HasTimeout: true, Concatenation: true, Size: maxElements}, proto, port),
		single: map[packet.Proto]pair{
			packet.TCP: both("single-tcp", single, port),
			packet.UDP: both("single-udp", single, port),
		},
	}
	for i, f := range families {
		session := nftables.MustConcatSetType(f.address, port, f.address, port)
		s.midstream[i] = named("midstream"+f.name, nftables.Set{HasTimeout: true, Timeout: midstreamFor, Concatenation: true, KeyType: session})
		s.halfopen[i] = named("halfopen"+f.name, nftables.Set{HasTimeout: true, Concatenation: true, Dynamic: true, Size: maxHalfopen, KeyType: session})
	}
	return s
}

// fixed returns the sets that follow from the configuration alone.
func (s *sets) fixed() []*nftables.Set {
	return []*nftables.Set{s.interfaces, s.doors, s.public, s.several, s.trusted[0], s.trusted[1], s.forward[0], s.forward[1]}
}

// grants returns the sets that hold grants.
func (s *sets) grants() []*nftables.Set {
	tcp, udp := s.single[packet.TCP], s.single[packet.UDP]
	return []*nftables.Set{s.granted[0], s.granted[1], tcp[0], tcp[1], udp[0], udp[1], s.wide[0], s.wide[1]}
}

// live returns the sets that change between configurations.
func (s *sets) live() []*nftables.Set {
	return append(s.grants(), s.refused, s.midstream[0], s.midstream[1], s.halfopen[0], s.halfopen[1], s.banned[0], s.banned[1])
}
