//go:build linux

package peers

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sallyport/bench/internal/report"
)

// BareCommand is the first argument with which a program that uses this package
// becomes the bare loop, see [RunBare].
const BareCommand = "bare"

// Bare is the floor: the least that a program can do which learns of packets
// from a packet socket and opens doors over netlink. It waits for one packet,
// adds one element to a set, and checks nothing at all.
type Bare struct{}

// Name implements System.
func (Bare) Name() string { return "bare loop (floor)" }

// Programs implements System.
func (Bare) Programs() []string { return nil }

// Start implements System.
func (b Bare) Start(ctx context.Context, site Site) (*Server, error) {
	cmd, err := site.daemon(ctx, nil, "/proc/self/exe", BareCommand)
	if err != nil {
		return nil, err
	}
	about := report.System{Name: b.Name(), Command: []string{"bench", BareCommand}}
	return &Server{PID: cmd.Process.Pid, Knock: sequence, Junk: firstKnocks, About: about, cmd: cmd}, nil
}

// RunBare is the loop. It returns only if something fails.
func RunBare() error {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	open, err := installBare(conn)
	if err != nil {
		return fmt.Errorf("close the door: %w", err)
	}
	fd, err := bareSocket()
	if err != nil {
		return fmt.Errorf("open a packet socket: %w", err)
	}
	last := Sequence[len(Sequence)-1]
	for buf := make([]byte, 2048); ; {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		const headers = 28 // IPv4 without options, UDP: the filter lets nothing else through
		if n < headers || binary.BigEndian.Uint16(buf[22:]) != last {
			continue
		}
		source := nftables.SetElement{Key: append([]byte(nil), buf[12:16]...)}
		if err := conn.SetAddElements(open, []nftables.SetElement{source}); err != nil {
			return err
		}
		if err := conn.Flush(); err != nil {
			return fmt.Errorf("open the door: %w", err)
		}
	}
}

// bareSocket receives the knocks, with a classic filter in the kernel.
func bareSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(binaryutil.NativeEndian.Uint16(binaryutil.BigEndian.PutUint16(unix.ETH_P_IP))))
	if err != nil {
		return -1, err
	}
	n := uint8(len(Sequence))
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x45, SkipTrue: n + 3},
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: n + 1},
		bpf.LoadAbsolute{Off: 22, Size: 2},
	}
	for i, port := range Sequence {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(port), SkipTrue: n - uint8(i)})
	}
	raw, err := bpf.Assemble(append(program, bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: 256}))
	if err != nil {
		return -1, err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return fd, unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

// installBare closes the door, and all else that is not established, but for
// the sources in the set that it returns.
func installBare(conn *nftables.Conn) (*nftables.Set, error) {
	policy := nftables.ChainPolicyDrop
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "bare"})
	chain := conn.AddChain(&nftables.Chain{
		Name: "input", Table: table, Type: nftables.ChainTypeFilter, Policy: &policy,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
	})
	open := &nftables.Set{
		Table: table, Name: "open", KeyType: nftables.TypeIPAddr, HasTimeout: true, Timeout: time.Second,
	}
	if err := conn.AddSet(open, nil); err != nil {
		return nil, err
	}
	accept := &expr.Verdict{Kind: expr.VerdictAccept}
	established := binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	for _, rule := range [][]expr.Any{
		{ // ct state established,related accept
			&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: established, Xor: make([]byte, 4)},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
			accept,
		},
		{ // ip saddr @open accept
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
			&expr.Lookup{SourceRegister: 1, SetName: open.Name, SetID: open.ID},
			accept,
		},
	} {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: rule})
	}
	return open, conn.Flush()
}
