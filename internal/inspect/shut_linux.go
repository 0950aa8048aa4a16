package inspect

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// ShutPorts returns those of the ports to which another firewall lets no new
// connection through, from wherever it comes. Where it depends on something
// that a rule alone does not say, such as the source, a port counts as
// reachable: what is returned is certain. The tables of iptables-nft are read
// too; those of the older iptables no program can read. It needs CAP_NET_ADMIN.
func ShutPorts(ports []packet.Port) ([]Shut, error) {
	list, err := judged(ports, func(base) bool { return true }, (*ruleset).shutBy)
	if err != nil {
		return nil, fmt.Errorf("look for ports shut by firewalls: %w", err)
	}
	return list, nil
}

// judged asks for each port, in both families, what by finds in those of the
// chains that count; it is what the readers of rules have in common.
func judged(ports []packet.Port, counts func(base) bool, by func(*ruleset, []base, probe) (string, error)) ([]Shut, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, err
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, err
	}
	rules, bases := survey(conn, byMaker(chains))
	bases = slices.DeleteFunc(bases, func(b base) bool { return !counts(b) })
	var list []Shut
	for _, p := range ports {
		by4, err4 := by(rules, bases, probe{p, nftables.TableFamilyIPv4})
		by6, err6 := by(rules, bases, probe{p, nftables.TableFamilyIPv6})
		if err := cmp.Or(err4, err6); err != nil {
			return nil, err
		}
		switch {
		case by4 != "" && by6 != "":
			list = append(list, Shut{p, "", by4})
		case by4 != "":
			list = append(list, Shut{p, "IPv4", by4})
		case by6 != "":
			list = append(list, Shut{p, "IPv6", by6})
		}
	}
	return list, nil
}

// survey lists all chains, by who made them, and in their order those through
// which packets to this host go.
func survey(conn *nftables.Conn, makers map[string][]*nftables.Chain) (*ruleset, []base) {
	rules := &ruleset{conn: conn, chains: make(map[string]*chain)}
	var bases []base
	for name, made := range makers {
		for _, c := range made {
			rules.chains[chainKey(c.Table, c.Name)] = &chain{Chain: c}
			if filters(c) {
				bases = append(bases, base{c, name})
			}
		}
	}
	slices.SortFunc(bases, func(a, b base) int { return int(*a.Priority) - int(*b.Priority) })
	return rules, bases
}

// base is a chain through which packets to this host go, and whose it is.
type base struct {
	*nftables.Chain
	maker string
}

// filters reports whether packets to this host go through a chain that may drop
// them.
func filters(c *nftables.Chain) bool {
	return c.Type == nftables.ChainTypeFilter && c.Hooknum != nil && c.Priority != nil &&
		(*c.Hooknum == *nftables.ChainHookInput || *c.Hooknum == *nftables.ChainHookPrerouting) &&
		(c.Table.Family == nftables.TableFamilyINet || c.Table.Family == nftables.TableFamilyIPv4 || c.Table.Family == nftables.TableFamilyIPv6)
}

// probe is a packet that begins something new, as it comes from elsewhere.
type probe struct {
	packet.Port
	family nftables.TableFamily
}

// ruleset is every chain but ours, with rules read when they are needed.
type ruleset struct {
	conn   *nftables.Conn
	chains map[string]*chain
}

type chain struct {
	*nftables.Chain
	read  bool
	rules []rule
}

func chainKey(t *nftables.Table, name string) string { return tableKey(t) + " " + name }

// shutBy names the first chain that surely drops a probe.
func (r *ruleset) shutBy(bases []base, p probe) (string, error) {
	for _, b := range bases {
		if b.Table.Family != nftables.TableFamilyINet && b.Table.Family != p.family {
			continue
		}
		w := walk{r, p, make(map[string]fate)}
		ends, err := w.chain(chainKey(b.Table, b.Name))
		if err != nil {
			return "", err
		}
		if ends&leaves != 0 {
			ends &^= leaves
			if b.Policy != nil && *b.Policy == nftables.ChainPolicyDrop {
				ends |= drop
			} else {
				ends |= accept
			}
		}
		if ends == drop {
			return fmt.Sprintf("%s (chain %q of table %s %q)", b.maker, b.Name, familyName(b.Table.Family), b.Table.Name), nil
		}
	}
	return "", nil
}

func familyName(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	}
	return "inet"
}

// fate is a set of what may become of a probe.
type fate uint8

const (
	accept fate = 1 << iota // it goes on to the next base chain
	drop
	leaves // it returns to the chain before, or meets the policy
	stays  // it goes on to the next rule
)

// walk follows one probe.
type walk struct {
	rules *ruleset
	probe probe
	known map[string]fate // of chains; what becomes of a probe in one does not depend on the way there
}

func (w walk) chain(key string) (fate, error) {
	if f, ok := w.known[key]; ok {
		return f, nil
	}
	w.known[key] = accept // the kernel refuses loops; if there were one, nothing would be certain
	c := w.rules.chains[key]
	if c == nil {
		return accept, nil // made since we began
	}
	if err := w.rules.fill(c); err != nil {
		return 0, err
	}
	var ends fate
	for _, r := range c.rules {
		matches := r.matches(w.probe)
		if matches == no {
			continue
		}
		f, err := w.verdict(c, r.verdict(w.probe))
		if err != nil {
			return 0, err
		}
		ends |= f &^ stays
		if matches == yes && f&stays == 0 {
			w.known[key] = ends
			return ends, nil
		}
	}
	w.known[key] = ends | leaves
	return ends | leaves, nil
}

// verdict returns what one of several verdicts does to a probe.
func (w walk) verdict(c *chain, verdicts []verdict) (fate, error) {
	var f fate
	for _, v := range verdicts {
		f |= v.fate
		if v.jump == "" {
			continue
		}
		ends, err := w.chain(chainKey(c.Table, v.jump))
		if err != nil {
			return 0, err
		}
		if ends&leaves != 0 && !v.goes {
			ends = ends&^leaves | stays
		}
		f |= ends
	}
	return f, nil
}

// fill reads the rules of a chain.
func (r *ruleset) fill(c *chain) error {
	if c.read {
		return nil
	}
	c.read = true
	list, err := r.conn.GetRules(c.Table, c.Chain)
	if err != nil {
		return fmt.Errorf("read chain %q: %w", c.Name, err)
	}
	for _, one := range list {
		parsed, err := r.parse(c.Table, one.Exprs)
		if err != nil {
			return fmt.Errorf("read chain %q: %w", c.Name, err)
		}
		c.rules = append(c.rules, parsed)
	}
	return nil
}

// elements reads a set that a rule looks into.
func (r *ruleset) elements(t *nftables.Table, e *expr.Lookup) (*nftables.Set, []nftables.SetElement, error) {
	set, err := r.conn.GetSetByName(t, e.SetName)
	if err != nil {
		return nil, nil, fmt.Errorf("read set %q: %w", e.SetName, err)
	}
	list, err := r.conn.GetSetElements(set)
	if err != nil {
		return nil, nil, fmt.Errorf("read set %q: %w", e.SetName, err)
	}
	return set, list, nil
}

// The numbers of families that rules compare with are those of tables.
const (
	etherIPv4 = unix.ETH_P_IP
	etherIPv6 = unix.ETH_P_IPV6
)
