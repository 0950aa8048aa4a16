package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/internal/event"
)

// Banned sources are in banned4 and banned6, each for a time. Nothing new from
// them reaches a door, whatever grants there are, nor anything else of this host.
// Connections under way go on. An IPv6 source is a /64: whoever has one address
// of it has all.

const banBits6 = 64

// banOf returns the set and the key of a source.
func (s *sets) banOf(a netip.Addr) (*nftables.Set, []byte) {
	a = event.BannedAs(a).Addr()
	return s.banned.of(a), a.AsSlice()
}

// loadBan is ip saddr, or ip6 saddr & ffff:ffff:ffff:ffff::
func (f family) loadBan() []expr.Any {
	r := f.loadSource()
	if f.length == 4 {
		return r
	}
	mask := append(slices.Repeat([]byte{0xff}, banBits6/8), make([]byte, 16-banBits6/8)...)
	// [ bitwise reg 1 = ( reg 1 & 0xffffffff 0xffffffff 0x00000000 0x00000000 ) ^ 0x00000000 0x00000000 0x00000000 0x00000000 ]
	return append(r, &expr.Bitwise{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: f.length, Mask: mask, Xor: make([]byte, f.length)})
}

// banned refuses banned sources: what has ports, so that neighbours on the same
// link go on finding each other.
func (p *plan) banned(b *batch) [][]expr.Any {
	var rules [][]expr.Any
	for i, f := range families {
		rules = append(rules, rule(f.loadBan(), in(p.sets.banned[i]), loadProto(), in(b.withPorts()), goTo("closed")))
	}
	return rules
}

// Ban refuses a source until a time, instead of until another if it is banned
// already. Whom never to ban is for the caller to know; trusted sources are not
// touched in any case.
func (f *Firewall) Ban(source netip.Addr, until, now time.Time) error {
	left := until.Sub(now)
	if !source.IsValid() || left < time.Millisecond {
		return fmt.Errorf("ban %s for %s: want an address and a time to come", source, left)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	set, key := f.sets.banOf(source)
	b := f.newBatch()
	b.add(set, nftables.SetElement{Key: key})
	b.remove(set, nftables.SetElement{Key: key})
	b.add(set, nftables.SetElement{Key: key, Timeout: left})
	if err := missing(b.flush()); err != nil {
		return fmt.Errorf("ban %s: %w", source, err)
	}
	return nil
}

// Unban ends the ban of a source, if there is one.
func (f *Firewall) Unban(source netip.Addr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	set, key := f.sets.banOf(source)
	b := f.newBatch()
	b.add(set, nftables.SetElement{Key: key})
	b.remove(set, nftables.SetElement{Key: key})
	if err := missing(b.flush()); err != nil {
		return fmt.Errorf("end the ban of %s: %w", source, err)
	}
	return nil
}

// Bans returns who is banned, sorted.
func (f *Firewall) Bans(now time.Time) ([]event.Ban, error) {
	var list []event.Ban
	for _, set := range f.sets.banned {
		elements, err := f.reader.elements(set)
		if err != nil {
			return nil, fmt.Errorf("read who is banned: %w", missing(err))
		}
		for _, e := range elements {
			if a, ok := netip.AddrFromSlice(e.Key); ok {
				list = append(list, event.Ban{Source: event.BannedAs(a), Until: now.Add(e.Expires)})
			}
		}
	}
	slices.SortFunc(list, func(a, b event.Ban) int { return a.Source.Compare(b.Source) })
	return list, nil
}
