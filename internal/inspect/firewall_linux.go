package inspect

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"

	"sallyport/internal/packet"
)

// Firewalls returns the firewalls that are set up on the host, in the order
// of their names. It needs CAP_NET_ADMIN.
func Firewalls() ([]Firewall, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("look for firewalls: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("look for firewalls: %w", err)
	}
	makers := byMaker(chains)
	rules, bases := survey(conn, makers)
	var list []Firewall
	for name, made := range makers {
		f := Firewall{Name: name, Drops: slices.ContainsFunc(made, drops)}
		if !f.Drops {
			his := slices.DeleteFunc(slices.Clone(bases), func(b base) bool { return b.maker != name })
			if f.Drops, err = rules.dropsUnknown(his); err != nil {
				return nil, fmt.Errorf("look for firewalls: %w", err)
			}
		}
		list = append(list, f)
	}
	if Legacy() {
		list = append(list, Firewall{Name: "iptables-legacy", Hidden: true})
	}
	slices.SortFunc(list, func(a, b Firewall) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// ownTable is not someone else's firewall.
const ownTable = "sallyport"

// byMaker sorts chains by who made them. A chain that a maker added to a table
// of iptables does not make that table his, but the chain.
func byMaker(chains []*nftables.Chain) map[string][]*nftables.Chain {
	ufw := make(map[string]bool) // tables that ufw has moved into; it sets their policies
	for _, c := range chains {
		if strings.HasPrefix(c.Name, "ufw") {
			ufw[tableKey(c.Table)] = true
		}
	}
	makers := make(map[string][]*nftables.Chain)
	for _, c := range chains {
		if c.Table.Name == ownTable {
			continue
		}
		name := maker(c)
		if name == "iptables" && ufw[tableKey(c.Table)] {
			name = "ufw"
		}
		makers[name] = append(makers[name], c)
	}
	return makers
}

func tableKey(t *nftables.Table) string { return fmt.Sprint(t.Family, " ", t.Name) }

func maker(c *nftables.Chain) string {
	switch {
	case c.Table.Name == "firewalld":
		return "firewalld"
	case strings.HasPrefix(c.Name, "ufw"):
		return "ufw"
	case strings.HasPrefix(c.Name, "DOCKER"), c.Table.Name == "docker-bridges":
		return "Docker"
	case iptablesTable(c.Table):
		return "iptables"
	}
	return "nftables"
}

// iptablesTable reports whether a table has a name that iptables gives.
func iptablesTable(t *nftables.Table) bool {
	family := t.Family == nftables.TableFamilyIPv4 || t.Family == nftables.TableFamilyIPv6
	return family && slices.Contains([]string{"filter", "nat", "mangle", "raw", "security"}, t.Name)
}

// drops reports whether a chain keeps packets to this host out by its policy.
func drops(c *nftables.Chain) bool {
	return c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookInput && c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
}

// unknown is a port that no service has ever had.
var unknown = packet.Port{Proto: packet.TCP, Number: 4}

// dropsUnknown reports whether chains keep out, by a last rule for instance, what
// no other rule lets in.
func (r *ruleset) dropsUnknown(bases []base) (bool, error) {
	for _, family := range []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyIPv6} {
		by, err := r.shutBy(bases, probe{unknown, family})
		if by != "" || err != nil {
			return by != "", err
		}
	}
	return false, nil
}

// Legacy reports whether the older iptables, which nftables does not show, has
// been used. What its policy is only a program of its own could tell.
func Legacy() bool {
	for _, file := range []string{"/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"} {
		if text, err := os.ReadFile(file); err == nil && len(text) > 0 {
			return true
		}
	}
	return false
}
