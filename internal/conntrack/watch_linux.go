package conntrack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/ti-mo/conntrack"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// Groups of events (include/uapi/linux/netfilter/nfnetlink_compat.h).
const (
	groupNew     = 1
	groupUpdate  = 2
	groupDestroy = 3
)

// maxFiltered is how many runs of ports the kernel looks for: a jump reaches no
// further than 255 instructions. With more of them, every event is looked at here.
const maxFiltered = 120

// Watcher tells of connections to some ports. Needs CAP_NET_ADMIN.
type Watcher struct{ conn *netlink.Conn }

// NewWatcher begins to watch.
func NewWatcher(ports []packet.Port) (*Watcher, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("watch connections: %w", err)
	}
	w := &Watcher{conn}
	_ = conn.SetReadBuffer(1 << 20)
	err = w.SetPorts(ports)
	for _, group := range []uint32{groupNew, groupUpdate, groupDestroy} {
		if err == nil {
			err = conn.JoinGroup(group)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch connections: %w", err), conn.Close())
	}
	return w, nil
}

// SetPorts changes what is watched. The kernel passes up nothing else, so that
// the traffic of a busy host costs nothing here.
func (w *Watcher) SetPorts(ports []packet.Port) error {
	wanted := runs(ports)
	if len(wanted) > maxFiltered {
		return w.conn.RemoveBPF()
	}
	program, err := bpf.Assemble(filter(wanted))
	if err != nil {
		return err
	}
	return w.conn.SetBPF(program)
}

// Attributes of a message (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
const (
	ctaTupleOrig    = 1
	ctaTupleProto   = 2
	ctaProtoDstPort = 3
	attributesAt    = 16 + 4 // behind struct nlmsghdr and struct nfgenmsg
	attributeHeader = 4
)

// run is some port numbers without a gap, both ends included.
type run struct{ first, last uint16 }

// runs are the numbers of ports, in order.
func runs(ports []packet.Port) (list []run) {
	numbers := make([]uint16, len(ports))
	for i, p := range ports {
		numbers[i] = p.Number
	}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		if last := len(list) - 1; last >= 0 && int(list[last].last)+1 == int(n) {
			list[last].last = n
		} else {
			list = append(list, run{n, n})
		}
	}
	return list
}

// filter accepts messages whose original destination port is in one of the runs.
func filter(wanted []run) []bpf.Instruction {
	program := []bpf.Instruction{
		bpf.LoadConstant{Dst: bpf.RegA, Val: attributesAt},
		bpf.LoadConstant{Dst: bpf.RegX, Val: ctaTupleOrig},
		bpf.LoadExtension{Num: bpf.ExtNetlinkAttr}, // A: where it is, or 0
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadConstant{Dst: bpf.RegX, Val: ctaTupleProto},
		bpf.LoadExtension{Num: bpf.ExtNetlinkAttrNested},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadConstant{Dst: bpf.RegX, Val: ctaProtoDstPort},
		bpf.LoadExtension{Num: bpf.ExtNetlinkAttrNested},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 1},
		bpf.RetConstant{Val: 0},
		bpf.TAX{},
		bpf.LoadIndirect{Off: attributeHeader, Size: 2},
	}
	for i, r := range wanted {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: uint32(r.first), SkipTrue: 1},
			bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: uint32(r.last), SkipTrue: uint8(2*(len(wanted)-i) - 1)},
		)
	}
	return append(program, bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: 1 << 16})
}

// Run tells of every connection until the context ends: that it has begun, that it
// has been answered (perhaps several times), and that it has ended. It calls lost
// when it has not heard of some: a burst did not fit.
func (w *Watcher) Run(ctx context.Context, tell func(Flow), lost func()) error {
	stop := context.AfterFunc(ctx, func() { _ = w.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		messages, err := w.conn.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			lost()
			continue
		case err != nil:
			return fmt.Errorf("watch connections: %w", err)
		}
		for _, m := range messages {
			report(m, tell)
		}
	}
}

// report reports what a message says. One that this version does not understand
// concerns nobody.
func report(m netlink.Message, tell func(Flow)) {
	var e conntrack.Event
	if e.Unmarshal(m) != nil || e.Flow == nil {
		return
	}
	f := flowOf(*e.Flow)
	switch e.Type {
	case conntrack.EventNew:
		tell(f)
	case conntrack.EventDestroy:
		f.Ended, f.Bytes = true, e.Flow.CountersOrig.Bytes+e.Flow.CountersReply.Bytes
		tell(f)
		return
	case conntrack.EventUpdate:
	default:
		return
	}
	if answered(f.Port.Proto, e.Flow.Status) {
		f.Answered = true
		tell(f)
	}
}

// answered reports whether a flow is more than one side's wish. The kernel calls a
// TCP connection assured when the acknowledgement of its SYN and ACK has come
// (tcp_packet in net/netfilter/nf_conntrack_proto_tcp.c).
func answered(proto packet.Proto, status conntrack.Status) bool {
	if proto == packet.TCP {
		return status.Assured()
	}
	return status.SeenReply()
}

// Close ends the watch.
func (w *Watcher) Close() error { return w.conn.Close() }
