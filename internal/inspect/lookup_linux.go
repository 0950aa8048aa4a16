package inspect

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// lookup parses a question about a set, or a map of verdicts.
func (p *parser) lookup(e *expr.Lookup) error {
	verdicts := e.IsDestRegSet && e.DestRegister == unix.NFT_REG_VERDICT
	if p.registers[word(e.SourceRegister)] == nil && !verdicts {
		p.ask(func(probe) answer { return unsure })
		return nil
	}
	set, elements, err := p.rules.elements(p.table, e)
	if err != nil {
		return err
	}
	find := finder(p.held(e.SourceRegister, set.KeyType.Bytes), set, elements)
	if !verdicts {
		p.ask(func(pr probe) answer {
			element, a := find(pr)
			if a == unsure {
				return unsure
			}
			return sure((element != nil) != e.Invert)
		})
		return nil
	}
	p.verdict = func(pr probe) []verdict {
		element, a := find(pr)
		switch {
		case a == no:
			return []verdict{{fate: stays}}
		case a == yes:
			return []verdict{elementVerdict(element.Val)}
		}
		all := []verdict{{fate: stays}}
		for _, el := range elements {
			if !el.IntervalEnd {
				all = append(all, elementVerdict(el.Val))
			}
		}
		return all
	}
	return nil
}

// elementVerdict reads what a map says: NFTA_VERDICT_CODE and, where it leads
// to a chain, NFTA_VERDICT_CHAIN, which the library leaves as they came.
func elementVerdict(data []byte) verdict {
	unknown := verdict{fate: accept | stays}
	attributes, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return unknown
	}
	attributes.ByteOrder = binary.BigEndian
	var v *expr.Verdict
	chain := ""
	for attributes.Next() {
		switch attributes.Type() {
		case unix.NFTA_VERDICT_CODE:
			v = &expr.Verdict{Kind: expr.VerdictKind(int32(attributes.Uint32()))}
		case unix.NFTA_VERDICT_CHAIN:
			chain = attributes.String()
		}
	}
	if attributes.Err() != nil || v == nil {
		return unknown
	}
	v.Chain = chain
	return plain(v)
}

// finder returns what finds the element of a set for a probe.
func finder(f field, set *nftables.Set, elements []nftables.SetElement) func(probe) (*nftables.SetElement, answer) {
	if set.Interval {
		slices.SortStableFunc(elements, func(a, b nftables.SetElement) int { return bytes.Compare(a.Key, b.Key) })
	}
	return func(p probe) (*nftables.SetElement, answer) {
		if f == nil {
			return nil, unsure
		}
		v := f(p)
		if len(v) == 0 || stands(v) {
			return nil, unsure
		}
		var last *nftables.SetElement
		for i := range elements {
			e := &elements[i]
			if len(e.Key) != len(v) || len(e.KeyEnd) > 0 {
				return nil, unsure // for everything, or intervals of several things
			}
			n := bytes.Compare(e.Key, v)
			if n == 0 && !e.IntervalEnd {
				return e, yes
			}
			if n <= 0 && set.Interval {
				last = e
			}
		}
		// In a set of intervals the last boundary below tells.
		if last == nil || last.IntervalEnd {
			return nil, no
		}
		return last, yes
	}
}

// xtMatch knows the matches of iptables that are about ports and states.
func xtMatch(e *expr.Match) func(probe) answer {
	switch info := e.Info.(type) {
	case *xt.Comment:
		return func(probe) answer { return yes }
	case *xt.Tcp:
		if info.FlagsMask == 0 && info.Option == 0 && everyPort(info.SrcPorts) {
			return inRange(info.DstPorts, info.InvFlags&xt.TcpInvDestPorts != 0)
		}
	case *xt.Udp:
		if everyPort(info.SrcPorts) {
			return inRange(info.DstPorts, info.InvFlags&xt.UdpInvDestPorts != 0)
		}
	case *xt.ConntrackMtinfo1:
		return state(info.ConntrackMtinfoBase, uint16(info.StateMask))
	case *xt.ConntrackMtinfo2:
		return state(info.ConntrackMtinfoBase, info.StateMask)
	case *xt.ConntrackMtinfo3:
		return state(info.ConntrackMtinfoBase, info.StateMask)
	case *xt.Unknown:
		if e.Name == "multiport" && e.Rev == 1 {
			return multiport(*info)
		}
	}
	return func(probe) answer { return unsure }
}

func everyPort(r [2]uint16) bool { return r == [2]uint16{0, 65535} }

func inRange(r [2]uint16, invert bool) func(probe) answer {
	return func(p probe) answer {
		return sure((r[0] <= p.Number && p.Number <= r[1]) != invert)
	}
}

// xtStateNew is XT_CONNTRACK_STATE_BIT(IP_CT_NEW) of
// include/uapi/linux/netfilter/xt_conntrack.h.
const xtStateNew = 1 << 3

func state(info xt.ConntrackMtinfoBase, mask uint16) func(probe) answer {
	if info.MatchFlags&^uint16(xt.ConntrackStateAlias) != uint16(xt.ConntrackState) {
		return func(probe) answer { return unsure }
	}
	invert := info.InvertFlags&uint16(xt.ConntrackState) != 0
	return func(probe) answer { return sure((mask&xtStateNew != 0) != invert) }
}

func multiport(data []byte) func(probe) answer {
	ranges, invert, ok := multiports(data)
	return func(p probe) answer {
		if !ok {
			return unsure
		}
		found := slices.ContainsFunc(ranges, func(r portRange) bool { return r[0] <= p.Number && p.Number <= r[1] })
		return sure(found != invert)
	}
}

// multiports reads the destination ports of struct xt_multiport_v1 of
// include/uapi/linux/netfilter/xt_multiport.h: flags, count, 15 ports, 15
// marks of those that begin a range, and whether it is inverted.
func multiports(data []byte) (list []portRange, invert, ok bool) {
	const destination, ports, size = 1, 15, 48
	if len(data) < size-1 || data[0] != destination || data[1] > ports {
		return nil, false, false
	}
	port := func(i int) uint16 { return binary.NativeEndian.Uint16(data[2+2*i:]) }
	begins := data[2+2*ports:]
	for i := 0; i < int(data[1]); i++ {
		r := portRange{port(i), port(i)}
		if begins[i] != 0 && i+1 < int(data[1]) {
			i++
			r[1] = port(i)
		}
		list = append(list, r)
	}
	return list, data[2+3*ports] != 0, true
}
