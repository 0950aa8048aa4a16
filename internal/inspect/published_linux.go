package inspect

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// Published returns the ports of this host that Docker forwards to containers,
// sorted. They have no listener here when its proxy program is switched off.
// It needs CAP_NET_ADMIN.
func Published() ([]packet.Port, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("look for published ports: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("look for published ports: %w", err)
	}
	var ports []packet.Port
	for _, c := range chains {
		if c.Table.Name != "nat" || !strings.HasPrefix(c.Name, "DOCKER") {
			continue
		}
		rules, err := conn.GetRules(c.Table, c)
		if err != nil {
			return nil, fmt.Errorf("look for published ports: read chain %q: %w", c.Name, err)
		}
		for _, r := range rules {
			if p, ok := destination(r.Exprs); ok {
				ports = append(ports, p)
			}
		}
	}
	slices.SortFunc(ports, func(a, b packet.Port) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Number, b.Number))
	})
	return slices.Compact(ports), nil
}

// destination finds "PROTOCOL dport PORT ... dnat" in a rule, in the form that
// iptables gives it: meta l4proto and the second two bytes of the transport
// header, each compared with a value.
func destination(list []expr.Any) (packet.Port, bool) {
	var p packet.Port
	for i, e := range list[:max(0, len(list)-1)] {
		want, ok := list[i+1].(*expr.Cmp)
		if !ok || want.Op != expr.CmpOpEq {
			continue
		}
		switch e := e.(type) {
		case *expr.Meta:
			if e.Key == expr.MetaKeyL4PROTO && len(want.Data) == 1 {
				p.Proto = packet.Proto(want.Data[0])
			}
		case *expr.Payload:
			if e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && e.Len == 2 && len(want.Data) == 2 {
				p.Number = binary.BigEndian.Uint16(want.Data)
			}
		}
	}
	known := p.Proto == unix.IPPROTO_TCP || p.Proto == unix.IPPROTO_UDP
	return p, known && p.Number != 0 && translates(list)
}

// translates tells whether a rule sends packets elsewhere.
func translates(list []expr.Any) bool {
	return slices.ContainsFunc(list, func(e expr.Any) bool {
		switch e := e.(type) {
		case *expr.NAT:
			return e.Type == expr.NATTypeDestNAT
		case *expr.Target:
			return e.Name == "DNAT"
		}
		return false
	})
}
