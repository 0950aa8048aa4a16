package firewall

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

// Grants for all addresses with a prefix are in wide4 and wide6: the first
// address of the prefix, protocol and port; the length of the prefix stands in
// the comment. For each length that doors have there is a rule that cuts the
// source down to it, for the ports of those doors alone. So a packet costs two
// lookups for each length, whatever the number of grants.

// ip saddr & mask . meta l4proto . th dport: a grant for a prefix
func (f family) loadWideKey(bits int) []expr.Any {
	mask := make([]byte, f.length)
	for i := range bits {
		mask[i/8] |= 1 << (7 - i%8)
	}
	r := append(f.loadSource(),
		// [ bitwise reg 1 = ( reg 1 & 0x00ffffff ) ^ 0x00000000 ]
		&expr.Bitwise{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: f.length, Mask: mask, Xor: make([]byte, f.length)},
	)
	return append(r, f.loadPort()...)
}

// widths are the lengths of the prefixes of a door's grants, by family; 0:
// there are no such grants.
type widths [len(families)]int

func widthsOf(door config.Door) widths { return widths{door.Widen4, door.Widen6} }

// of returns the length for addresses like a.
func (w widths) of(a netip.Addr) int {
	if a.Is4() {
		return w[0]
	}
	return w[1]
}

// wide lets in anyone who shares the prefix of a grant.
func (p *plan) wide(b *batch) [][]expr.Any {
	var rules [][]expr.Any
	for i, f := range families {
		ports := make(map[int][][]byte) // by length
		for _, door := range p.config.Doors {
			if bits := widthsOf(door)[i]; bits != 0 {
				for _, port := range door.Ports {
					ports[bits] = append(ports[bits], portKey(port))
				}
			}
		}
		for _, bits := range slices.Sorted(maps.Keys(ports)) {
			rules = append(rules, rule(
				loadPort(), in(b.anonymousPorts(ports[bits])), f.loadWideKey(bits), in(p.sets.wide[i]), p.lasts(f, i), verdict(expr.VerdictAccept),
			))
		}
	}
	return rules
}

// keeps reports whether a grant can go on.
func (p *plan) keeps(e entry) bool {
	return slices.Contains(p.doors[e.door], e.port) && (e.bits == 0 || e.bits == p.widths[e.door].of(e.source))
}

// allows reports whether the door of a grant exists, and has grants as wide.
func (p *plan) allows(g event.Grant) bool {
	return p != nil && p.doors[g.Door] != nil && (g.Prefix == 0 || !g.Single && g.Prefix == p.widths[g.Door].of(g.Source.Unmap()))
}

// parseWide reads an element of a set of wide grants.
func parseWide(s *nftables.Set, element nftables.SetElement) (entry, bool) {
	door, client, _ := strings.Cut(element.Comment, " ")
	name, length, _ := strings.Cut(door, "/")
	bits, err := strconv.Atoi(length)
	plain := element
	plain.Comment = comment(name, client)
	e, ok := parseEntry(s, 0, plain)
	from, badLength := e.source.Prefix(bits)
	e.bits = bits
	return e, ok && err == nil && badLength == nil && bits > 0 && !from.IsSingleIP() && from.Addr() == e.source && e.full().Comment == element.Comment
}
