package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
)

// Published returns the ports whose packets are translated on this host: those
// of containers most of all, sorted. They have no listener here when Docker's
// proxy program is switched off. It needs CAP_NET_ADMIN.
func Published() ([]Forwarded, error) {
	conn, err := nftables.New(nftables.AsLasting()) // one socket, and not one for each chain
	if err != nil {
		return nil, fmt.Errorf("look for published ports: %w", err)
	}
	defer conn.CloseLasting()
	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("look for published ports: %w", err)
	}
	rules := &ruleset{conn: conn, chains: make(map[string]*chain)}
	t := translator{ruleset: rules, raw: make(map[string][]*nftables.Rule)}
	var bases []*nftables.Chain
	for _, c := range chains {
		rules.chains[chainKey(c.Table, c.Name)] = &chain{Chain: c}
		if translates(c) {
			bases = append(bases, c)
		}
	}
	for _, c := range bases {
		if err := t.walk(c, flow{}, 0); err != nil {
			return nil, fmt.Errorf("look for published ports: %w", err)
		}
	}
	return sorted(t.found), nil
}

// sorted removes what is there twice, such as the endpoints of one service. Of
// several hands the best known one stays.
func sorted(list []Forwarded) []Forwarded {
	slices.SortStableFunc(list, func(a, b Forwarded) int {
		return cmp.Or(cmp.Compare(a.Port.Proto, b.Port.Proto), cmp.Compare(a.Port.Number, b.Port.Number), cmp.Compare(a.Last, b.Last),
			a.At.Compare(b.At), -cmp.Compare(a.By, b.By), a.To.Compare(b.To))
	})
	return slices.CompactFunc(list, func(a, b Forwarded) bool { return a.Port == b.Port && a.Last == b.Last && a.At == b.At })
}

// translates reports whether packets from elsewhere come through a base chain
// that may change where they go.
func translates(c *nftables.Chain) bool {
	return c.Type == nftables.ChainTypeNAT && c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookPrerouting && c.Table.Name != ownTable
}

// forwarder knows whose chain it is.
func forwarder(c *nftables.Chain) string {
	switch {
	case maker(c) == "Docker":
		return "Docker"
	case c.Table.Name == "netavark", strings.HasPrefix(c.Name, "NETAVARK"):
		return "Podman"
	case c.Table.Name == "kube-proxy", strings.HasPrefix(c.Name, "KUBE-"):
		return kubernetes
	}
	return ""
}

const kubernetes = "Kubernetes"

// external reports whether kube-proxy takes what comes from outside through a
// chain: to load balancers, external addresses and ports of nodes
// (pkg/proxy/iptables/proxier.go and pkg/proxy/nftables/proxier.go; KUBE-FW and
// KUBE-XLB are of before 1.24).
func external(chain string) bool {
	return slices.ContainsFunc([]string{"KUBE-EXT-", "KUBE-FW-", "KUBE-XLB-", "external-"}, func(s string) bool { return strings.HasPrefix(chain, s) })
}
