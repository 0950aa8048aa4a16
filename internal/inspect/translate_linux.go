package inspect

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// Bounds on a ruleset that is followed: a cluster with thousands of services
// stays far below.
const (
	maxSteps   = 1 << 20 // rules that are looked at, again on each way that leads to them
	maxNesting = 16      // NFT_JUMP_STACK_SIZE of include/net/netfilter/nf_tables.h
)

// translator follows the rules that may change where packets go.
type translator struct {
	*ruleset
	raw   map[string][]*nftables.Rule
	steps int
	found []Forwarded
}

// step is a rule on one of the ways through it.
type step struct {
	flow
	registers map[uint32]known
	table     *nftables.Table
	chain     *nftables.Chain
	depth     int
}

// walk follows the packets of a flow through a chain.
func (t *translator) walk(c *nftables.Chain, f flow, depth int) error {
	if depth > maxNesting {
		return nil
	}
	rules, err := t.read(c)
	if err != nil {
		return err
	}
	f.external = f.external || external(c.Name)
	for _, r := range rules {
		if t.steps++; t.steps > maxSteps {
			return fmt.Errorf("there are more than %d rules on the ways through them", maxSteps)
		}
		ways := []step{{flow: f, registers: make(map[uint32]known), table: c.Table, chain: c, depth: depth}}
		for _, e := range r.Exprs {
			if ways, err = t.expression(ways, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// read returns the rules of a chain, which are asked for once.
func (t *translator) read(c *nftables.Chain) ([]*nftables.Rule, error) {
	key := chainKey(c.Table, c.Name)
	if rules, ok := t.raw[key]; ok {
		return rules, nil
	}
	rules, err := t.conn.GetRules(c.Table, c)
	if err != nil {
		return nil, fmt.Errorf("read chain %q: %w", c.Name, err)
	}
	t.raw[key] = rules
	return rules, nil
}

// expression carries all ways through a rule on by one expression: some end
// there, and sets make several of one.
func (t *translator) expression(ways []step, e expr.Any) ([]step, error) {
	var next []step
	for _, s := range ways {
		more, err := t.one(s, e)
		if err != nil {
			return nil, err
		}
		next = append(next, more...)
	}
	return next, nil
}

func (t *translator) one(s step, e expr.Any) ([]step, error) {
	switch e := e.(type) {
	case *expr.Cmp:
		return s.compare(e), nil
	case *expr.Range:
		if e.Op == expr.CmpOpEq {
			return s.between(e.Register, e.FromData, e.ToData), nil
		}
	case *expr.Bitwise:
		s.mask(e)
	case *expr.Lookup:
		return t.lookup(s, e)
	case *expr.Match:
		return s.match(e), nil
	case *expr.Verdict:
		if e.Kind == expr.VerdictJump || e.Kind == expr.VerdictGoto {
			return nil, t.jump(s, e.Chain)
		}
	case *expr.NAT:
		if e.Type == expr.NATTypeDestNAT {
			t.note(s, s.address(e.RegAddrMin), s.number(e.RegProtoMin), false)
		}
	case *expr.Redir:
		t.note(s, netip.Addr{}, s.number(e.RegisterProtoMin), true)
	case *expr.Target:
		t.target(s, e)
	case *expr.Counter, *expr.Log, *expr.Limit, *expr.Objref, *expr.Connlimit, *expr.Quota:
	default:
		if register, k, ok := loaded(e); ok {
			s.registers[word(register)] = k
		} else {
			clear(s.registers) // it may write to any
		}
	}
	return []step{s}, nil
}

// split makes another way of a step.
func (s step) split(f flow) step {
	s.flow, s.registers = f, maps.Clone(s.registers)
	return s
}

func (s step) keep(f flow, ok bool) []step {
	if !ok {
		return nil
	}
	s.flow = f
	return []step{s}
}

func (s step) compare(e *expr.Cmp) []step {
	k, ok := s.registers[word(e.Register)]
	if !ok {
		return []step{s}
	}
	least, most := make([]byte, len(e.Data)), slices.Repeat([]byte{0xff}, len(e.Data))
	switch e.Op {
	case expr.CmpOpEq:
		return s.keep(s.narrow(k, e.Data, e.Data))
	case expr.CmpOpGte:
		return s.keep(s.narrow(k, e.Data, most))
	case expr.CmpOpLte:
		return s.keep(s.narrow(k, least, e.Data))
	}
	return []step{s}
}

func (s step) between(register uint32, low, high []byte) []step {
	k, ok := s.registers[word(register)]
	if !ok {
		return []step{s}
	}
	return s.keep(s.narrow(k, low, high))
}

// mask shortens an address to a prefix. What is masked otherwise is not known.
func (s step) mask(e *expr.Bitwise) {
	k, ok := s.registers[word(e.SourceRegister)]
	delete(s.registers, word(e.DestRegister))
	if ok && (k.kind == addressOf4 || k.kind == addressOf6) {
		k.bits = min(k.bits, common(e.Mask, slices.Repeat([]byte{0xff}, len(e.Mask))))
		s.registers[word(e.DestRegister)] = k
	}
}

// lookup follows every element of a set or a map that packets may be in.
func (t *translator) lookup(s step, e *expr.Lookup) ([]step, error) {
	if _, ok := s.registers[word(e.SourceRegister)]; e.Invert || !ok && !e.IsDestRegSet {
		return []step{s}, nil
	}
	set, elements, err := t.elements(s.table, e)
	if err != nil {
		return nil, err
	}
	var next []step
	for _, one := range spans(set, elements) {
		f, ok := s.narrowTo(s.registers, e.SourceRegister, one)
		if t.steps++; !ok || t.steps > maxSteps { // the next rule says that there were too many
			continue
		}
		way := s.split(f)
		switch {
		case e.IsDestRegSet && e.DestRegister == unix.NFT_REG_VERDICT:
			if v := elementVerdict(one.element.Val); v.jump != "" {
				if err := t.jump(way, v.jump); err != nil {
					return nil, err
				}
			}
			continue
		case e.IsDestRegSet:
			way.registers[word(e.DestRegister)] = known{kind: constant, value: one.element.Val}
		}
		next = append(next, way)
	}
	return next, nil
}

// match narrows by the matches of iptables that are about ports.
func (s step) match(e *expr.Match) []step {
	var ranges []portRange
	switch info := e.Info.(type) {
	case *xt.Tcp:
		if info.InvFlags&xt.TcpInvDestPorts == 0 {
			ranges = []portRange{info.DstPorts}
		}
	case *xt.Udp:
		if info.InvFlags&xt.UdpInvDestPorts == 0 {
			ranges = []portRange{info.DstPorts}
		}
	case *xt.Unknown:
		if list, invert, ok := multiports(*info); ok && e.Name == "multiport" && e.Rev == 1 && !invert {
			ranges = list
		}
	}
	if ranges == nil || everyPort(ranges[0]) {
		return []step{s}
	}
	var next []step
	for _, r := range ranges {
		if f, ok := s.narrowPorts(r); ok {
			next = append(next, s.split(f))
		}
	}
	return next
}

func (t *translator) jump(s step, name string) error {
	c := t.chains[chainKey(s.table, name)]
	if c == nil {
		return nil
	}
	return t.walk(c.Chain, s.flow, s.depth+1)
}

// target reads where a rule of iptables sends packets.
func (t *translator) target(s step, e *expr.Target) {
	if e.Name != "DNAT" && e.Name != "REDIRECT" {
		return
	}
	var r xt.NatRange
	switch info := e.Info.(type) {
	case *xt.NatRange:
		r = *info
	case *xt.NatRange2:
		r = info.NatRange
	case *xt.NatIPv4MultiRangeCompat:
		if len(*info) > 0 {
			first := (*info)[0]
			r = xt.NatRange{Flags: uint(first.Flags), MinIP: first.MinIP, MinPort: first.MinPort}
		}
	}
	var to netip.Addr
	if r.Flags&uint(xt.NatRangeMapIPs) != 0 && e.Name == "DNAT" {
		to, _ = netip.AddrFromSlice(r.MinIP)
	}
	if r.Flags&uint(xt.NatRangeProtoSpecified) == 0 {
		r.MinPort = 0
	}
	t.note(s, to.Unmap(), r.MinPort, e.Name == "REDIRECT")
}

// address and number return the constants of registers, zero if there is none.
func (s step) address(register uint32) (a netip.Addr) {
	if k := s.registers[word(register)]; register != 0 && k.kind == constant {
		value := k.value
		if len(value) > 4 && len(value) < 16 { // of a map to addresses and ports
			value = value[:4]
		}
		a, _ = netip.AddrFromSlice(value)
	}
	return a
}

func (s step) number(register uint32) uint16 {
	if k := s.registers[word(register)]; register != 0 && k.kind == constant && len(k.value) >= 2 {
		return binary.BigEndian.Uint16(k.value)
	}
	return 0
}

// note keeps a translation that packets from elsewhere may meet.
func (t *translator) note(s step, to netip.Addr, port uint16, here bool) {
	every := s.proto == 0 && s.ports == portRange{}
	if !every && !s.hasPorts() || every && !s.at.IsValid() || s.at.IsValid() && s.at.Addr().IsLoopback() {
		return
	}
	f := Forwarded{At: s.at, By: forwarder(s.chain), To: to, Here: here}
	if f.By == kubernetes && s.at.IsValid() && !s.external {
		return // an address that is reached from within the cluster
	}
	if !every {
		f.Port, f.Last = s.port(), s.ports[1]
	}
	if port != 0 {
		f.Lands = packet.Port{Proto: f.Port.Proto, Number: port}
	}
	t.found = append(t.found, f)
}
