package firewall

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// plan is what the table must hold for one configuration, grants aside.
type plan struct {
	config *config.Config
	prefix string // of the names of its chains and fixed sets
	sets   *sets
	fixed  map[*nftables.Set][]nftables.SetElement
	doors  map[string][]packet.Port
	widths map[string]widths
	ports  map[packet.Port]struct{} // the ports of all doors
	labels labels

	patterns []string // how the names of further gated interfaces begin
}

func newPlan(t *nftables.Table, cfg *config.Config) *plan { return newPlanAs("", t, cfg) }

// newPlanAs makes a plan whose chains and fixed sets have other names.
func newPlanAs(prefix string, t *nftables.Table, cfg *config.Config) *plan {
	p := &plan{
		config: cfg,
		prefix: prefix,
		sets:   newSets(t),
		fixed:  make(map[*nftables.Set][]nftables.SetElement),
		doors:  make(map[string][]packet.Port, len(cfg.Doors)),
		widths: make(map[string]widths, len(cfg.Doors)),
		ports:  make(map[packet.Port]struct{}),
		labels: readLabels(),
	}
	for _, s := range p.sets.fixed() {
		s.Name = prefix + s.Name
	}
	for _, name := range cfg.Gate.Interfaces {
		if start, all := strings.CutSuffix(name, "*"); all {
			p.patterns = append(p.patterns, start)
			continue
		}
		p.add(p.sets.interfaces, nftables.SetElement{Key: interfaceKey(name)})
	}
	for _, prefix := range outermost(cfg.Gate.Trusted) {
		p.add(p.sets.trusted.of(prefix.Addr()), interval(prefix)...)
	}
	for _, port := range cfg.Gate.Public {
		p.add(p.sets.public, nftables.SetElement{Key: portKey(port)})
	}
	for _, door := range cfg.Doors {
		p.addDoor(door)
	}
	return p
}

func (p *plan) add(s *nftables.Set, elements ...nftables.SetElement) {
	p.fixed[s] = append(p.fixed[s], elements...)
}

func (p *plan) addDoor(door config.Door) {
	p.doors[door.Name], p.widths[door.Name] = door.Ports, widthsOf(door)
	to := outermost(door.To)
	for _, port := range door.Ports {
		p.ports[port] = struct{}{}
		p.add(p.sets.doors, nftables.SetElement{Key: portKey(port)})
		if len(door.Ports) > 1 {
			verdict := expr.Verdict{Kind: expr.VerdictJump, Chain: p.prefix + spentChain(door.Name)}
			p.add(p.sets.several, nftables.SetElement{Key: portKey(port), VerdictData: &verdict})
		}
		for _, prefix := range to {
			p.add(p.sets.forward.of(prefix.Addr()), nftables.SetElement{
				Key: addressPortKey(prefix.Addr(), port), KeyEnd: addressPortKey(last(prefix), port),
			})
		}
	}
}

// mark names an empty chain, which tells the next process, or the next
// configuration, for which doors the grants in the table were given.
func (p *plan) mark() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(p.doors)) {
		fmt.Fprintln(h, name, p.doors[name], p.widths[name])
	}
	return "grants-" + hex.EncodeToString(h.Sum(nil)[:8])
}

// closes reports whether a port of this host is closed but for grants.
func (p *plan) closes(port packet.Port) bool {
	_, door := p.ports[port]
	if p.config.Gate.Policy == config.PolicyAll {
		return !slices.Contains(p.config.Gate.Public, port)
	}
	return door
}

// closesNoMoreThan reports whether everything that p closes is closed by q.
func (p *plan) closesNoMoreThan(q *plan) bool {
	for port := range p.ports {
		if !q.closes(port) {
			return false
		}
	}
	if p.config.Gate.Policy != config.PolicyAll {
		return true
	}
	return q.config.Gate.Policy == config.PolicyAll && !slices.ContainsFunc(q.config.Gate.Public, p.closes)
}
