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
		o := f.TupleOrig
		port := packet.Port{Proto: packet.Proto(o.Proto.Protocol), Number: o.Proto.DestinationPort}
		under := f.Status.Assured()
		if tcp := f.ProtoInfo.TCP; tcp != nil {
			under = tcp.State == tcpEstablished
		}
		if under && match(port) {
			list = append(list, Flow{ID: f.ID, Source: o.IP.SourceAddress.Unmap(), Port: port})
		}
	}
	return list, nil
}
