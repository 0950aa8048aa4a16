package inspect

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// answer is whether something matches; unsure where the probe does not tell.
type answer uint8

const (
	unsure answer = iota
	no
	yes
)

func sure(b bool) answer {
	if b {
		return yes
	}
	return no
}

// rule is a rule of a chain: what it asks, and what it does then.
type rule struct {
	questions []func(probe) answer
	verdict   func(probe) []verdict // those of which one is given
	untracks  bool                  // connections are not tracked from here on
}

// verdict is a fate, or another chain.
type verdict struct {
	fate fate
	jump string
	goes bool // without return
}

func (r rule) matches(p probe) answer {
	all := yes
	for _, ask := range r.questions {
		switch ask(p) {
		case no:
			return no
		case unsure:
			all = unsure
		}
	}
	return all
}

// field is what a register holds for a probe; nil: who knows.
type field func(probe) []byte

// parser turns the expressions of a rule into questions. A register that was
// filled by something unknown is not in the map: questions about it stay open.
type parser struct {
	rule
	registers map[uint32]field // by their words
	rules     *ruleset
	table     *nftables.Table
}

func (r *ruleset) parse(t *nftables.Table, list []expr.Any) (rule, error) {
	p := parser{registers: make(map[uint32]field), rules: r, table: t}
	p.verdict = always(verdict{fate: stays})
	for _, e := range list {
		p.untracks = p.untracks || untracks(e)
		if err := p.expression(e); err != nil {
			return rule{}, err
		}
	}
	return p.rule, nil
}

func always(v ...verdict) func(probe) []verdict { return func(probe) []verdict { return v } }

func (p *parser) ask(q func(probe) answer) { p.questions = append(p.questions, q) }

func (p *parser) expression(e expr.Any) error {
	switch e := e.(type) {
	case *expr.Meta:
		if !e.SourceRegister {
			p.load(e.Register, metaField(e.Key))
		}
	case *expr.Payload:
		if e.OperationType == expr.PayloadLoad {
			p.load(e.DestRegister, payloadField(e))
		}
	case *expr.Ct:
		if !e.SourceRegister {
			p.load(e.Register, ctField(e.Key))
		}
	case *expr.Bitwise:
		p.load(e.DestRegister, masked(p.registers[word(e.SourceRegister)], e))
	case *expr.Cmp:
		p.ask(compare(p.registers[word(e.Register)], e.Op, e.Data))
	case *expr.Range:
		p.ask(within(p.registers[word(e.Register)], e))
	case *expr.Lookup:
		return p.lookup(e)
	case *expr.Match:
		p.ask(xtMatch(e))
	case *expr.Verdict:
		p.verdict = always(plain(e))
	case *expr.Reject:
		p.verdict = always(verdict{fate: drop})
	case *expr.Target:
		p.verdict = always(verdict{fate: targetFate(e.Name)})
	case *expr.Queue, *expr.SynProxy, *expr.TProxy:
		p.verdict = always(verdict{fate: accept | stays})
	case *expr.Counter, *expr.Log, *expr.Notrack, *expr.Objref, *expr.Immediate:
	default:
		p.ask(func(probe) answer { return unsure })
	}
	return nil
}

func (p *parser) load(register uint32, f field) {
	if f == nil {
		delete(p.registers, word(register))
		return
	}
	p.registers[word(register)] = f
}

// word is where a register begins, in words of four bytes: registers have two
// names, of sixteen bytes and of four (enum nft_registers).
func word(register uint32) uint32 {
	if register < unix.NFT_REG32_00 {
		return 4 * register
	}
	return register - unix.NFT_REG32_00 + 4
}

// held returns what is in as many bytes from a register on. What is
// concatenated lies in words of its own.
func (p *parser) held(register, size uint32) field {
	first := p.registers[word(register)]
	if first == nil || size <= 4 {
		return first
	}
	parts := []field{first}
	for w := word(register) + 1; p.registers[w] != nil; w++ {
		parts = append(parts, p.registers[w])
	}
	return func(pr probe) []byte {
		if v := first(pr); len(v) == int(size) || stands(v) {
			return v
		}
		var all []byte
		for _, part := range parts {
			v := part(pr)
			if len(v) == 0 || len(v) > 4 || len(all) == int(size) {
				return all
			}
			all = append(append(all, v...), make([]byte, 4-len(v))...)
		}
		return all
	}
}

func plain(v *expr.Verdict) verdict {
	switch v.Kind {
	case expr.VerdictAccept:
		return verdict{fate: accept}
	case expr.VerdictDrop:
		return verdict{fate: drop}
	case expr.VerdictReturn:
		return verdict{fate: leaves}
	case expr.VerdictJump:
		return verdict{jump: v.Chain}
	case expr.VerdictGoto:
		return verdict{jump: v.Chain, goes: true}
	case expr.VerdictQueue, expr.VerdictStolen:
		return verdict{fate: accept}
	}
	return verdict{fate: stays}
}

// targetFate knows the targets of iptables that have no form of their own in
// nftables. Of others anything may come.
func targetFate(name string) fate {
	switch name {
	case "REJECT", "DROP":
		return drop
	case "LOG", "NFLOG", "MARK", "CONNMARK", "CT", "TCPMSS", "SET", "CLASSIFY", "DSCP":
		return stays
	}
	return accept | stays
}

func metaField(key expr.MetaKey) field {
	switch key {
	case expr.MetaKeyL4PROTO:
		return protocol
	case expr.MetaKeyNFPROTO:
		return func(p probe) []byte { return []byte{byte(p.family)} }
	case expr.MetaKeyPROTOCOL:
		return func(p probe) []byte {
			ether := uint16(etherIPv4)
			if p.family == nftables.TableFamilyIPv6 {
				ether = etherIPv6
			}
			return binary.BigEndian.AppendUint16(nil, ether)
		}
	case expr.MetaKeyIIF, expr.MetaKeyIIFNAME:
		return outside
	}
	return nil
}

func protocol(p probe) []byte { return []byte{byte(p.Proto)} }

// outside is any interface but the loopback one. What it is compared with must
// be looked at: see compare.
func outside(probe) []byte { return anyButLoopback }

// These stand for what is not known in full.
var (
	anyButLoopback = []byte("any interface but lo")
	anySource      = []byte("any source port, then: ")
)

// stands reports whether a value is no value.
func stands(v []byte) bool { return bytes.Equal(v, anyButLoopback) || bytes.HasPrefix(v, anySource) }

var (
	loopbackIndex = binary.NativeEndian.AppendUint32(nil, 1) // LOOPBACK_IFINDEX in include/net/flow.h
)

func payloadField(e *expr.Payload) field {
	if e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && e.Len == 2 {
		return func(p probe) []byte { return binary.BigEndian.AppendUint16(nil, p.Number) }
	}
	if e.Base == expr.PayloadBaseTransportHeader && e.Offset == 0 && e.Len == 4 {
		return func(p probe) []byte { return binary.BigEndian.AppendUint16(slices.Clone(anySource), p.Number) }
	}
	if e.Base == expr.PayloadBaseNetworkHeader && e.Len == 1 && (e.Offset == 9 || e.Offset == 6) {
		return func(p probe) []byte { // the protocol: of IPv4 at 9, of IPv6 (without extension headers) at 6
			if (p.family == nftables.TableFamilyIPv4) == (e.Offset == 9) {
				return protocol(p)
			}
			return nil
		}
	}
	return nil
}

// ctField: the probe is the first packet of a connection, and nobody has
// changed its destination.
func ctField(key expr.CtKey) field {
	bits := uint32(0)
	switch key {
	case expr.CtKeySTATE:
		bits = expr.CtStateBitNEW
	case expr.CtKeySTATUS:
	default:
		return nil
	}
	return func(probe) []byte { return binary.NativeEndian.AppendUint32(nil, bits) }
}

func masked(f field, e *expr.Bitwise) field {
	if f == nil {
		return nil
	}
	return func(p probe) []byte {
		v := slices.Clone(f(p))
		if len(v) != len(e.Mask) || len(v) != len(e.Xor) {
			return nil
		}
		for i := range v {
			v[i] = v[i]&e.Mask[i] ^ e.Xor[i]
		}
		return v
	}
}

func compare(f field, op expr.CmpOp, data []byte) func(probe) answer {
	return func(p probe) answer {
		if f == nil {
			return unsure
		}
		v := f(p)
		if bytes.Equal(v, anyButLoopback) {
			loopback := bytes.Equal(data, loopbackIndex) || string(bytes.TrimRight(data, "\x00")) == "lo"
			if loopback && (op == expr.CmpOpEq || op == expr.CmpOpNeq) {
				return sure(op == expr.CmpOpNeq)
			}
			return unsure
		}
		if number, pair := bytes.CutPrefix(v, anySource); pair {
			differs := len(data) == 4 && !bytes.Equal(data[2:], number)
			if differs && (op == expr.CmpOpEq || op == expr.CmpOpNeq) {
				return sure(op == expr.CmpOpNeq)
			}
			return unsure
		}
		if len(v) == 0 || len(v) != len(data) {
			return unsure
		}
		n := bytes.Compare(v, data)
		switch op {
		case expr.CmpOpEq:
			return sure(n == 0)
		case expr.CmpOpNeq:
			return sure(n != 0)
		case expr.CmpOpLt:
			return sure(n < 0)
		case expr.CmpOpLte:
			return sure(n <= 0)
		case expr.CmpOpGt:
			return sure(n > 0)
		case expr.CmpOpGte:
			return sure(n >= 0)
		}
		return unsure
	}
}

func within(f field, e *expr.Range) func(probe) answer {
	from, to := compare(f, expr.CmpOpGte, e.FromData), compare(f, expr.CmpOpLte, e.ToData)
	return func(p probe) answer {
		a, b := from(p), to(p)
		if a == unsure || b == unsure {
			return unsure
		}
		return sure((a == yes && b == yes) == (e.Op == expr.CmpOpEq))
	}
}
