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

// Published returns the ports of this host that are forwarded, to containers
// most of all, sorted. They have no listener here when Docker's proxy program is
// switched off. It needs CAP_NET_ADMIN.
func Published() ([]Forwarded, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("look for published ports: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("look for published ports: %w", err)
	}
	var list []Forwarded
	for _, c := range translators(chains) {
		rules, err := conn.GetRules(c.Table, c)
		if err != nil {
			return nil, fmt.Errorf("look for published ports: read chain %q: %w", c.Name, err)
		}
		for _, r := range rules {
			if p, ok := destination(r.Exprs); ok {
				list = append(list, Forwarded{p, forwarder(c)})
			}
		}
	}
	slices.SortFunc(list, func(a, b Forwarded) int {
		return cmp.Or(cmp.Compare(a.Port.Proto, b.Port.Proto), cmp.Compare(a.Port.Number, b.Port.Number), -cmp.Compare(a.By, b.By))
	})
	return slices.CompactFunc(list, func(a, b Forwarded) bool { return a.Port == b.Port }), nil
}

// translators returns the chains that may change where packets from elsewhere
// go: those at prerouting, and those without a hook in the same tables.
func translators(chains []*nftables.Chain) []*nftables.Chain {
	atPrerouting := func(c *nftables.Chain) bool {
		return c.Type == nftables.ChainTypeNAT && c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookPrerouting
	}
	tables := make(map[string]bool)
	for _, c := range chains {
		if atPrerouting(c) && c.Table.Name != ownTable {
			tables[tableKey(c.Table)] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(chains), func(c *nftables.Chain) bool {
		return !tables[tableKey(c.Table)] || c.Hooknum != nil && !atPrerouting(c)
	})
}

// forwarder knows whose chain it is.
func forwarder(c *nftables.Chain) string {
	switch {
	case maker(c) == "Docker":
		return "Docker"
	case c.Table.Name == "netavark", strings.HasPrefix(c.Name, "NETAVARK"):
		return "Podman"
	}
	return ""
}

// destination finds "PROTOCOL dport PORT ... dnat" in a rule, in the form that
// iptables gives it: meta l4proto and the second two bytes of the transport
// header, each compared with a value.
func destination(list []expr.Any) (packet.Port, bool) {
	var p packet.Port
	loopback := false
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
			// The destination address of IPv4: it may be one of the host itself.
			if e.Base == expr.PayloadBaseNetworkHeader && e.Offset == 16 && len(want.Data) > 0 && want.Data[0] == 127 {
				loopback = true
			}
		}
	}
	known := p.Proto == unix.IPPROTO_TCP || p.Proto == unix.IPPROTO_UDP
	return p, known && p.Number != 0 && !loopback && translates(list)
}

// translates tells whether a rule changes the destination of packets.
func translates(list []expr.Any) bool {
	return slices.ContainsFunc(list, func(e expr.Any) bool {
		switch e := e.(type) {
		case *expr.NAT:
			return e.Type == expr.NATTypeDestNAT
		case *expr.Redir:
			return true
		case *expr.Target:
			return e.Name == "DNAT" || e.Name == "REDIRECT"
		}
		return false
	})
}
