package conntrack

import (
	"fmt"

	"github.com/ti-mo/conntrack"

	"sallyport/internal/packet"
)

// tcpEstablished is TCP_CONNTRACK_ESTABLISHED
// (include/uapi/linux/netfilter/nf_conntrack_tcp.h).
const tcpEstablished = 3

// Established lists the connections under way whose port on this side matches:
// TCP connections that are established, and UDP flows with traffic both ways.
// Needs CAP_NET_ADMIN.
func Established(match func(packet.Port) bool) ([]Flow, error) {
	return list(func(f conntrack.Flow) bool {
		under := f.Status.Assured()
		if tcp := f.ProtoInfo.TCP; tcp != nil {
			under = tcp.State == tcpEstablished
		}
		return under && match(flowOf(f).Port)
	})
}

// List lists all flows whose port on this side matches, whatever has become of
// them. Needs CAP_NET_ADMIN.
func List(match func(packet.Port) bool) ([]Flow, error) {
	return list(func(f conntrack.Flow) bool { return match(flowOf(f).Port) })
}

// Plain lists the flows whose port on this side matches that end where they were
// sent: no address is translated, and no other connection has announced them.
// Needs CAP_NET_ADMIN.
func Plain(match func(packet.Port) bool) ([]Flow, error) {
	const special = conntrack.StatusDstNAT | conntrack.StatusExpected
	return list(func(f conntrack.Flow) bool { return f.Status&special == 0 && match(flowOf(f).Port) })
}

func list(wanted func(conntrack.Flow) bool) ([]Flow, error) {
	table, err := conntrack.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("list connections: reach connection tracking: %w", err)
	}
	defer table.Close()
	flows, err := table.Dump(nil)
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	var list []Flow
	for _, f := range flows {
		if wanted(f) {
			list = append(list, flowOf(f))
		}
	}
	return list, nil
}

// flowOf is a flow as the one who began it is a source.
func flowOf(f conntrack.Flow) Flow {
	o := f.TupleOrig
	return Flow{ID: f.ID, Source: o.IP.SourceAddress.Unmap(), From: o.Proto.SourcePort, To: o.IP.DestinationAddress.Unmap(),
		Port: packet.Port{Proto: packet.Proto(o.Proto.Protocol), Number: o.Proto.DestinationPort}}
}

// reversed is a flow as the one who was asked is a source.
func reversed(f conntrack.Flow) Flow {
	o := f.TupleOrig
	return Flow{ID: f.ID, Source: o.IP.DestinationAddress.Unmap(), From: o.Proto.DestinationPort, To: o.IP.SourceAddress.Unmap(),
		Port: packet.Port{Proto: packet.Proto(o.Proto.Protocol), Number: o.Proto.SourcePort}}
}
