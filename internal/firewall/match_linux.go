package firewall

import (
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Each function returns one match or statement of nft's language. Above each
// expression stands what nft --debug=netlink prints for it.

// rule joins matches and statements.
func rule(parts ...[]expr.Any) []expr.Any {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func load(key expr.MetaKey, register uint32) expr.Any {
	return &expr.Meta{Key: key, Register: register}
}

func equal(data ...byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: data}
}

func payload(base expr.PayloadBase, offset, length, register uint32) expr.Any {
	return &expr.Payload{Base: base, Offset: offset, Len: length, DestRegister: register}
}

const (
	network   = expr.PayloadBaseNetworkHeader
	transport = expr.PayloadBaseTransportHeader
)

// iiftype loopback: the device lo, whatever its name and namespace.
func onLoopback() []expr.Any {
	return []expr.Any{
		// [ meta load iiftype => reg 1 ]
		load(expr.MetaKeyIIFTYPE, unix.NFT_REG_1),
		// [ cmp eq reg 1 0x00000304 ]
		equal(binaryutil.NativeEndian.PutUint16(unix.ARPHRD_LOOPBACK)...),
	}
}

// iifname != @interfaces iifname != "ppp*"
func onOtherInterface(s *nftables.Set, patterns []string) []expr.Any {
	match := []expr.Any{
		// [ meta load iifname => reg 1 ]
		load(expr.MetaKeyIIFNAME, unix.NFT_REG_1),
		// [ lookup reg 1 set interfaces 0x1 ]
		&expr.Lookup{SourceRegister: unix.NFT_REG_1, SetName: s.Name, SetID: s.ID, Invert: true},
	}
	for _, start := range patterns {
		// [ cmp neq reg 1 0x00707070 ]: as many bytes as there are
		match = append(match, &expr.Cmp{Op: expr.CmpOpNeq, Register: unix.NFT_REG_1, Data: []byte(start)})
	}
	return match
}

// ip saddr, or ip6 saddr: loads it for a lookup
func (f family) loadSource() []expr.Any { return f.loadAddress(f.source) }

// ip daddr, or ip6 daddr
func (f family) loadDest() []expr.Any { return f.loadAddress(f.dest) }

func (f family) loadAddress(offset uint32) []expr.Any {
	return []expr.Any{
		// [ meta load nfproto => reg 1 ]
		load(expr.MetaKeyNFPROTO, unix.NFT_REG_1),
		// [ cmp eq reg 1 0x00000002 ]
		equal(f.nfproto),
		// [ payload load 4b @ network header + 12 => reg 1 ]
		payload(network, offset, f.length, unix.NFT_REG_1),
	}
}

// after returns the register n fields of four bytes after the address in
// register 1. Registers 8 and up are the first four, counted in fours of bytes.
func (f family) after(n uint32) uint32 { return unix.NFT_REG32_00 + f.length/4 + n }

// ip saddr . meta l4proto . th dport: source and port of a grant
func (f family) loadGrantKey() []expr.Any { return append(f.loadSource(), f.loadPort()...) }

// ip saddr . th dport: source and port of a single grant
func (f family) loadSingleKey() []expr.Any {
	return append(f.loadSource(),
		// [ payload load 2b @ transport header + 2 => reg 9 ]
		payload(transport, 2, 2, f.after(0)),
	)
}

// ip daddr . meta l4proto . th dport: what a forwarded packet is addressed to
func (f family) loadForwardKey() []expr.Any { return append(f.loadDest(), f.loadPort()...) }

func (f family) loadPort() []expr.Any { return loadPortInto(f.after(0)) }

// meta l4proto . th dport
func loadPort() []expr.Any { return loadPortInto(unix.NFT_REG32_00) }

func loadPortInto(register uint32) []expr.Any {
	return []expr.Any{
		// [ meta load l4proto => reg 9 ]
		load(expr.MetaKeyL4PROTO, register),
		// [ payload load 2b @ transport header + 2 => reg 10 ]
		payload(transport, 2, 2, register+1),
	}
}

// ip saddr . th sport . ip daddr . th dport: a session
func (f family) loadSession() []expr.Any {
	return append(f.loadSource(),
		// [ payload load 2b @ transport header + 0 => reg 9 ]
		payload(transport, 0, 2, f.after(0)),
		// [ payload load 4b @ network header + 16 => reg 10 ]
		payload(network, f.dest, f.length, f.after(1)),
		// [ payload load 2b @ transport header + 2 => reg 11 ]
		payload(transport, 2, 2, f.after(1)+f.length/4),
	)
}

// @set
func in(s *nftables.Set) []expr.Any {
	return []expr.Any{
		// [ lookup reg 1 set granted4 ]
		&expr.Lookup{SourceRegister: unix.NFT_REG_1, SetName: s.Name, SetID: s.ID},
	}
}

// != @set
func notIn(s *nftables.Set) []expr.Any {
	return []expr.Any{
		// [ lookup reg 1 set __set0 0x1 ]
		&expr.Lookup{SourceRegister: unix.NFT_REG_1, SetName: s.Name, SetID: s.ID, Invert: true},
	}
}

// meta iifkind "vrf"
func throughVRF() []expr.Any {
	const metaIIFKind = 26 // NFT_META_IIFKIND in linux/netfilter/nf_tables.h
	return []expr.Any{
		// [ meta load iifkind => reg 1 ]
		load(metaIIFKind, unix.NFT_REG_1),
		// [ cmp eq reg 1 0x00667276 0x00000000 0x00000000 0x00000000 ]
		equal(append([]byte("vrf"), make([]byte, unix.IFNAMSIZ-3)...)...),
	}
}

// vmap @map
func verdictOf(s *nftables.Set) []expr.Any {
	return []expr.Any{
		// [ lookup reg 1 set several dreg 0 ]
		&expr.Lookup{SourceRegister: unix.NFT_REG_1, SetName: s.Name, SetID: s.ID, IsDestRegSet: true},
	}
}

// Operations of dynset (include/uapi/linux/netfilter/nf_tables.h).
const (
	dynsetUpdate = 1
	dynsetDelete = 2
)

// update @set { the key in register 1 timeout d }: its time begins again if it is
// there; no match if the set is full
func renew(s *nftables.Set, d time.Duration) []expr.Any {
	return []expr.Any{
		// [ dynset update reg_key 1 set halfopen4 timeout 300000ms ]
		&expr.Dynset{SrcRegKey: unix.NFT_REG_1, SetName: s.Name, SetID: s.ID, Operation: dynsetUpdate, Timeout: d},
	}
}

// delete @set { the key in register 1 }
func remove(s *nftables.Set) []expr.Any {
	return []expr.Any{
		// [ dynset delete reg_key 1 set single4 ]
		&expr.Dynset{SrcRegKey: unix.NFT_REG_1, SetName: s.Name, SetID: s.ID, Operation: dynsetDelete},
	}
}

// ct state, with any of these bits
func ctState(bits uint32) []expr.Any { return connection(expr.CtKeySTATE, bits) }

// ct status, with any of these bits
func ctStatus(bits uint32) []expr.Any { return connection(expr.CtKeySTATUS, bits) }

func connection(key expr.CtKey, bits uint32) []expr.Any {
	return []expr.Any{
		// [ ct load state => reg 1 ]
		&expr.Ct{Key: key, Register: unix.NFT_REG_1},
		// [ bitwise reg 1 = ( reg 1 & 0x00000006 ) ^ 0x00000000 ]
		&expr.Bitwise{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		// [ cmp neq reg 1 0x00000000 ]
		&expr.Cmp{Op: expr.CmpOpNeq, Register: unix.NFT_REG_1, Data: make([]byte, 4)},
	}
}

// fib daddr type, or with the interface fib daddr . iif type
func loadDestType(iif bool) []expr.Any {
	return []expr.Any{
		// [ fib daddr . iif type => reg 1 ]
		&expr.Fib{Register: unix.NFT_REG_1, FlagDADDR: true, FlagIIF: iif, ResultADDRTYPE: true},
	}
}

// meta l4proto, to look it up
func loadProto() []expr.Any {
	return []expr.Any{
		// [ meta load l4proto => reg 1 ]
		load(expr.MetaKeyL4PROTO, unix.NFT_REG_1),
	}
}

// meta l4proto tcp
func proto(p byte) []expr.Any {
	// [ cmp eq reg 1 0x00000006 ]
	return append(loadProto(), equal(p))
}

// tcp flags & bit == 0
func tcpWithout(bit byte) []expr.Any { return tcpFlags(bit, 0) }

// tcp flags & bit == bit
func tcpWith(bit byte) []expr.Any { return tcpFlags(bit, bit) }

// tcp flags & mask == value
func tcpFlags(mask, value byte) []expr.Any {
	return append(proto(unix.IPPROTO_TCP),
		// [ payload load 1b @ transport header + 13 => reg 1 ]
		payload(transport, 13, 1, unix.NFT_REG_1),
		// [ bitwise reg 1 = ( reg 1 & 0x00000002 ) ^ 0x00000000 ]
		&expr.Bitwise{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 1, Mask: []byte{mask}, Xor: []byte{0}},
		// [ cmp eq reg 1 0x00000000 ]
		equal(value),
	)
}

// udp sport 67 udp dport 68
func udpPorts(source, dest uint16) []expr.Any {
	return append(proto(unix.IPPROTO_UDP),
		// [ payload load 4b @ transport header + 0 => reg 1 ]
		payload(transport, 0, 4, unix.NFT_REG_1),
		// [ cmp eq reg 1 0x44004300 ]
		equal(append(binaryutil.BigEndian.PutUint16(source), binaryutil.BigEndian.PutUint16(dest)...)...),
	)
}

// ip6 saddr fe80::/10
func fromLinkLocal() []expr.Any {
	mask, prefix := make([]byte, 16), make([]byte, 16)
	copy(mask, []byte{0xff, 0xc0})
	copy(prefix, []byte{0xfe, 0x80})
	return append(families[1].loadSource(),
		// [ bitwise reg 1 = ( reg 1 & 0x0000c0ff ... ) ^ 0x00000000 ... ]
		&expr.Bitwise{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 16, Mask: mask, Xor: make([]byte, 16)},
		// [ cmp eq reg 1 0x000080fe 0x00000000 0x00000000 0x00000000 ]
		equal(prefix...),
	)
}

// counter name "refused"
func count(c *nftables.CounterObj) []expr.Any {
	return []expr.Any{
		// [ objref type 1 name refused ]
		&expr.Objref{Type: int(nftables.ObjTypeCounter), Name: c.Name},
	}
}

// accept, drop
func verdict(kind expr.VerdictKind) []expr.Any {
	return []expr.Any{
		// [ immediate reg 0 accept ]
		&expr.Verdict{Kind: kind},
	}
}

// goto chain
func goTo(chain string) []expr.Any {
	return []expr.Any{
		// [ immediate reg 0 goto -> door ]
		&expr.Verdict{Kind: expr.VerdictGoto, Chain: chain},
	}
}

// reject with tcp reset
func reset() []expr.Any {
	return []expr.Any{
		// [ reject type 1 code 0 ]
		&expr.Reject{Type: unix.NFT_REJECT_TCP_RST},
	}
}

// reject with icmpx port-unreachable
func unreachable() []expr.Any {
	return []expr.Any{
		// [ reject type 2 code 1 ]
		&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH},
	}
}
