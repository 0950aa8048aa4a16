package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Guards returns what else on the host shuts out sources by what they do, as
// far as tables, chains and rules give it away. It needs CAP_NET_ADMIN.
func Guards() ([]Guard, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("look for other guards: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("look for other guards: %w", err)
	}
	var list []Guard
	for _, c := range chains {
		if c.Table.Name == ownTable {
			continue
		}
		name := guardian(c)
		if name == "" && guardable(c) {
			rules, err := conn.GetRules(c.Table, c)
			if err != nil {
				return nil, fmt.Errorf("look for other guards: read chain %q: %w", c.Name, err)
			}
			if slices.ContainsFunc(rules, remembers) {
				name = "a rule that remembers sources"
			}
		}
		if name != "" {
			list = append(list, Guard{name, fmt.Sprintf("chain %q of table %s %q", c.Name, familyName(c.Table.Family), c.Table.Name)})
		}
	}
	slices.SortStableFunc(list, func(a, b Guard) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b Guard) bool { return a.Name == b.Name }), nil
}

// guardian knows programs by the names of their chains and tables.
func guardian(c *nftables.Chain) string {
	for _, known := range []struct{ prefix, name string }{
		{"f2b-", "fail2ban"}, {"fail2ban", "fail2ban"}, {"crowdsec", "CrowdSec"}, {"CROWDSEC", "CrowdSec"}, {"sshguard", "sshguard"}, {"PSAD_", "psad"},
	} {
		if strings.HasPrefix(c.Name, known.prefix) || strings.HasPrefix(c.Table.Name, known.prefix) {
			return known.name
		}
	}
	return ""
}

// guardable reports whether packets to this host may come through a chain that
// is not part of a translation.
func guardable(c *nftables.Chain) bool {
	return c.Type != nftables.ChainTypeNAT && !strings.HasPrefix(c.Name, "KUBE-") && !strings.HasPrefix(c.Name, "DOCKER")
}

// remembers reports whether a rule puts a source into a list: "recent" of
// iptables, or a set that packets add their source to (and not the limit of a
// rate, which lets in again at once).
func remembers(r *nftables.Rule) bool {
	source := false
	for i, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Payload:
			source = e.Base == expr.PayloadBaseNetworkHeader && (e.Offset == 12 && e.Len == 4 || e.Offset == 8 && e.Len == 16)
		case *expr.Match:
			if e.Name == "recent" {
				return true
			}
		case *expr.Dynset:
			if source && len(e.Exprs) == 0 && i > 0 && e.Operation != dynsetDelete {
				return true
			}
		}
	}
	return false
}

const dynsetDelete = 2 // NFT_DYNSET_OP_DELETE
