package firewall

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// Bits of ct state and ct status (include/uapi/linux/netfilter/nf_conntrack_common.h).
const (
	ctInvalid     = expr.CtStateBitINVALID
	ctEstablished = expr.CtStateBitESTABLISHED
	ctRelated     = expr.CtStateBitRELATED
	ctNew         = expr.CtStateBitNEW
	ctConfirmed   = 1 << 3
)

// TCP flags.
const (
	tcpFIN = 0x01
	tcpSYN = 0x02
	tcpRST = 0x04
	tcpACK = 0x10
)

// spentChain is the chain that ends a single grant of a door with several ports.
func spentChain(door string) string { return "spent-" + door }

// portsPerRule keeps a rule far below two limits of the kernel: 128 expressions,
// and 4,096 bytes for all of them (struct nft_rule, dlen: 12 bits), of which
// kernels differ in how many an expression takes.
const portsPerRule = 8

// chain is a chain with its rules, in order.
type chain struct {
	name  string
	hook  *nftables.ChainHook     // of a base chain
	first *nftables.ChainPriority // of one at another priority than mangle
	rules [][]expr.Any
}

// chains returns all chains for a configuration, those that others jump to first.
func (p *plan) chains(b *batch) []chain {
	var list []chain
	if p.config.Gate.Closed == config.ClosedReject && p.labels.count > 0 {
		list = append(list, chain{name: "label", hook: nftables.ChainHookOutput, rules: p.label()})
	}
	if p.config.TakesSTUN() {
		list = append(list, chain{name: "answers", hook: nftables.ChainHookOutput, first: nftables.ChainPriorityRaw, rules: p.answers()})
	}
	list = append(list, chain{name: "closed", rules: p.closed(b)})
	for _, door := range p.config.Doors {
		if len(door.Ports) > 1 {
			list = append(list, chain{name: spentChain(door.Name), rules: p.spentDoor(door.Ports)})
		}
	}
	list = append(list,
		chain{name: "spent", rules: p.spent()},
		chain{name: "door", rules: p.door(b)},
		chain{name: "own", rules: p.own(b)},
		chain{name: "elsewhere", rules: p.elsewhere()},
		chain{name: "prerouting", rules: p.prerouting(b)},
	)
	if p.prefix == "" {
		list[len(list)-1].hook = nftables.ChainHookPrerouting
	}
	for i := range list {
		list[i].name = p.prefix + list[i].name
	}
	return list
}

// to sends packets to another chain of the plan.
func (p *plan) to(chain string) []expr.Any { return goTo(p.prefix + chain) }

// prerouting sends what may be for a closed port to the other chains.
func (p *plan) prerouting(b *batch) [][]expr.Any {
	accept := verdict(expr.VerdictAccept)
	rules := [][]expr.Any{rule(onLoopback(), accept)}
	if len(p.config.Gate.Interfaces) > 0 {
		rules = append(rules, rule(onOtherInterface(p.sets.interfaces, p.patterns), accept))
	}
	for i, f := range families {
		rules = append(rules, rule(f.loadSource(), in(p.sets.trusted[i]), accept))
	}
	for i, f := range families {
		rules = append(rules,
			// The end of a handshake that a single grant has let begin.
			rule(ctState(ctEstablished), tcpFlags(tcpSYN|tcpRST|tcpACK, tcpACK), f.loadSession(), in(p.sets.halfopen[i]), p.to("door")),
			// A copy of its first packet, with each of which the service waits
			// longer (tcp_check_req in net/ipv4/tcp_minisocks.c): for ever, if
			// it were not judged.
			rule(ctStatus(ctConfirmed), tcpFlags(tcpSYN|tcpRST|tcpACK, tcpSYN), f.loadSession(), in(p.sets.halfopen[i]), p.to("door")),
		)
	}
	rules = append(rules,
		rule(ctState(ctEstablished|ctRelated), accept),
		// A copy of a first packet that was let in: its answer was lost, or is
		// slow, and the grant may have ended meanwhile. What we drop is never
		// confirmed, so this lets in nothing else.
		rule(ctState(ctNew), ctStatus(ctConfirmed), accept),
	)
	if len(p.config.Gate.Interfaces) == 0 {
		// The same packet once more, now as one of the VRF: it has been judged, but at
		// addresses of the VRF itself.
		rules = append(rules, rule(throughVRF(), loadDestType(true), notIn(b.hereTypes()), accept))
	}
	// Before Linux 6.16 the routing table of the host is asked alone, which knows
	// nothing of addresses in a VRF; with its interface, that of the VRF is.
	return append(rules,
		rule(loadDestType(false), notIn(b.hereTypes()), loadDestType(true), notIn(b.hereTypes()), p.to("elsewhere")),
		p.to("own"),
	)
}

// elsewhere judges what is addressed to hosts behind this one.
func (p *plan) elsewhere() (rules [][]expr.Any) {
	for i, f := range families {
		rules = append(rules, rule(f.loadForwardKey(), in(p.sets.forward[i]), p.to("door")))
	}
	return rules
}

// hereTypes are the types of addresses at which services of this host hear. One on
// 0.0.0.0 hears broadcasts and multicasts, too.
func (b *batch) hereTypes() *nftables.Set {
	return b.anonymous(nftables.TypeFIBAddr,
		binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL),
		binaryutil.NativeEndian.PutUint32(unix.RTN_BROADCAST),
		binaryutil.NativeEndian.PutUint32(unix.RTN_ANYCAST),
		binaryutil.NativeEndian.PutUint32(unix.RTN_MULTICAST),
	)
}

// own judges what is addressed to this host by its port. With policy "all",
// what has no ports passes: ICMP, neighbour discovery, IGMP, tunnels.
func (p *plan) own(b *batch) [][]expr.Any {
	rules := append(p.banned(b), rule(loadPort(), in(p.sets.doors), p.to("door")))
	if p.config.Gate.Policy != config.PolicyAll {
		return rules
	}
	accept := verdict(expr.VerdictAccept)
	return append(rules,
		rule(loadPort(), in(p.sets.public), accept),
		// Answers to our own DHCP requests, which are broadcast or multicast, so
		// that connection tracking cannot match them (RFC 2131, RFC 8415).
		rule(udpPorts(67, 68), accept),
		rule(fromLinkLocal(), udpPorts(547, 546), accept),
		rule(loadProto(), in(b.withPorts()), p.to("closed")),
	)
}

// withPorts are the protocols that have ports.
func (b *batch) withPorts() *nftables.Set {
	return b.anonymous(nftables.TypeInetProto,
		[]byte{unix.IPPROTO_TCP}, []byte{unix.IPPROTO_UDP}, []byte{unix.IPPROTO_DCCP},
		[]byte{unix.IPPROTO_SCTP}, []byte{unix.IPPROTO_UDPLITE})
}

// door lets in anyone who has a grant.
func (p *plan) door(b *batch) [][]expr.Any {
	accept := verdict(expr.VerdictAccept)
	rules := p.banned(b) // those who come by way of a forwarded door
	for i, f := range families {
		rules = append(rules, rule(f.loadGrantKey(), in(p.sets.granted[i]), p.lasts(f, i), accept))
	}
	for i, f := range families {
		rules = append(rules, p.single(f, p.sets.single[packet.TCP][i], p.sets.single[packet.UDP][i], p.sets.halfopen[i])...)
	}
	rules = append(rules, p.wide(b)...)
	return append(rules, p.to("closed"))
}

// lasts ends what a single grant may have held against a connection that a lasting
// one lets in.
func (p *plan) lasts(f family, i int) []expr.Any {
	return append(f.loadSession(), remove(p.sets.halfopen[i])...)
}

// single lets one connection in. Of TCP it is the first whose handshake is
// completed, by someone who has seen the answer of the service: a forged SYN
// begins one like any other, and takes nothing from the client. Until then
// others may begin; what they send after it finds no grant. Of UDP it is the
// first flow.
func (p *plan) single(f family, tcp, udp, halfopen *nftables.Set) [][]expr.Any {
	first := tcpFlags(tcpFIN|tcpSYN|tcpRST|tcpACK, tcpSYN)
	useUp := func(single *nftables.Set) []expr.Any {
		return rule(f.loadSingleKey(), in(single), f.loadSingleKey(), remove(single))
	}
	return [][]expr.Any{
		rule(ctState(ctNew|ctEstablished), first, f.loadSingleKey(), in(tcp), f.loadSession(), renew(halfopen, halfopenFor), verdict(expr.VerdictAccept)),
		// No room to remember it: it takes the grant at once.
		rule(ctState(ctNew), first, useUp(tcp), p.to("spent")),
		rule(ctState(ctEstablished), proto(unix.IPPROTO_TCP), useUp(tcp), f.loadSession(), remove(halfopen), p.to("spent")),
		rule(ctState(ctNew), proto(unix.IPPROTO_UDP), useUp(udp), p.to("spent")),
	}
}

// spent lets in the connection that uses up a single grant, and ends what
// that grant has for other ports of the door.
func (p *plan) spent() [][]expr.Any {
	return [][]expr.Any{
		rule(loadPort(), verdictOf(p.sets.several)),
		verdict(expr.VerdictAccept),
	}
}

// spentDoor ends a single grant for all ports of a door.
func (p *plan) spentDoor(ports []packet.Port) [][]expr.Any {
	var rules [][]expr.Any
	for i, f := range families {
		for part := range slices.Chunk(ports, portsPerRule) {
			r := f.loadSource()
			for _, port := range part {
				// [ immediate reg 9 0x00005000 ]
				r = append(r, &expr.Immediate{Register: f.after(0), Data: binaryutil.BigEndian.PutUint16(port.Number)})
				r = append(r, remove(p.sets.single[port.Proto][i])...)
			}
			rules = append(rules, r)
		}
	}
	return rules
}

// closed refuses. Reject answers as a port without a listener would (the kernel
// itself answers no reset with a reset, and no broadcast); but never a packet
// that may belong to a session, only out of its window: a reset would end it.
func (p *plan) closed(b *batch) [][]expr.Any {
	drop := verdict(expr.VerdictDrop)
	var rules [][]expr.Any
	for i, f := range families {
		rules = append(rules, rule(tcpWithout(tcpSYN), f.loadSession(), in(p.sets.midstream[i]), verdict(expr.VerdictAccept)))
	}
	rules = append(rules,
		count(b.refused),
		rule(loadPort(), in(p.sets.refused)), // counts in the element
	)
	if p.config.Gate.Closed != config.ClosedReject {
		return append(rules, drop)
	}
	return append(rules,
		rule(ctState(ctInvalid), tcpWith(tcpACK), drop),
		rule(proto(unix.IPPROTO_TCP), reset()),
		rule(proto(unix.IPPROTO_UDP), unreachable()),
		rule(proto(unix.IPPROTO_UDPLITE), unreachable()),
		drop,
	)
}
