package inspect

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"

	"sallyport/internal/packet"
)

// Untracked returns those of the ports to which a rule keeps connections from
// being tracked, from wherever they come. What depends on the source, or on
// something else that a rule alone does not say, is left out. It needs
// CAP_NET_ADMIN.
func Untracked(ports []packet.Port) ([]Shut, error) {
	before := func(b base) bool {
		return *b.Hooknum == *nftables.ChainHookPrerouting && *b.Priority < *nftables.ChainPriorityConntrack
	}
	list, err := judged(ports, before, (*ruleset).untrackedBy)
	if err != nil {
		return nil, fmt.Errorf("look for untracked ports: %w", err)
	}
	return list, nil
}

// untrackedBy names the chain in which a probe surely meets "notrack".
func (r *ruleset) untrackedBy(bases []base, p probe) (string, error) {
	for _, b := range bases {
		if b.Table.Family != nftables.TableFamilyINet && b.Table.Family != p.family {
			continue
		}
		found, err := r.untracks(chainKey(b.Table, b.Name), p, 0)
		if err != nil {
			return "", err
		}
		if found {
			return fmt.Sprintf("%s (chain %q of table %s %q)", b.maker, b.Name, familyName(b.Table.Family), b.Table.Name), nil
		}
	}
	return "", nil
}

// untracks reports whether a probe surely meets "notrack" in a chain.
func (r *ruleset) untracks(key string, p probe, depth int) (bool, error) {
	c := r.chains[key]
	if c == nil || depth > maxNesting {
		return false, nil
	}
	if err := r.fill(c); err != nil {
		return false, err
	}
	for _, rule := range c.rules {
		if rule.matches(p) != yes {
			continue
		}
		if rule.untracks {
			return true, nil
		}
		for _, v := range rule.verdict(p) {
			if v.jump != "" {
				if found, err := r.untracks(chainKey(c.Table, v.jump), p, depth+1); found || err != nil {
					return found, err
				}
			}
			if v.goes || v.jump == "" && v.fate&stays == 0 {
				return false, nil
			}
		}
	}
	return false, nil
}

// untracks reports whether an expression keeps packets from being tracked:
// "notrack" of nft, or CT --notrack and NOTRACK of iptables (XT_CT_NOTRACK of
// include/uapi/linux/netfilter/xt_CT.h, the first bit of the info's flags).
func untracks(e expr.Any) bool {
	switch e := e.(type) {
	case *expr.Notrack:
		return true
	case *expr.Target:
		info, _ := e.Info.(*xt.Unknown)
		return e.Name == "NOTRACK" || e.Name == "CT" && info != nil && len(*info) >= 2 && binary.NativeEndian.Uint16(*info)&1 != 0
	}
	return false
}
