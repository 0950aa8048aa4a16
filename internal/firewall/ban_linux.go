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
	"sallyport/internal/phrase"
)

// Banned sources are in banned4 and banned6, each for a time. Nothing new from
// them reaches a door, whatever grants there are, nor anything else of this host.
// Connections under way go on. An IPv6 source is a /64, a /56 or a /48: anyone who has
// one address of it has all. The length of a wider one than /64 stands in the
// last byte of its key, where that of a /64 has zero.

const banBits6 = 64

// wideBits6 are the lengths of bans that are wider.
var wideBits6 = []int{56, 48}

// banOf returns the set and the key of what is banned.
func (s *sets) banOf(p netip.Prefix) (*nftables.Set, []byte, error) {
	known := p.IsSingleIP() && p.Addr().Is4() || p.Addr().Is6() && (p.Bits() == banBits6 || slices.Contains(wideBits6, p.Bits()))
	if !known {
		return nil, nil, fmt.Errorf("%s cannot be banned: want an IPv4 address, or a /64, /56 or /48", p)
	}
	key := p.Masked().Addr().AsSlice()
	if p.Addr().Is6() && p.Bits() != banBits6 {
		key[15] = byte(p.Bits())
	}
	return s.banned.of(p.Addr()), key, nil
}

// bannedBy is what a key in a set stands for.
func bannedBy(key []byte) (netip.Prefix, bool) {
	a, ok := netip.AddrFromSlice(key)
	if !ok || a.Is4() || key[15] == 0 {
		return event.BannedAs(a), ok
	}
	p, err := a.Prefix(int(key[15]))
	return p, err == nil
}

// loadBan is ip saddr, or ip6 saddr & ffff:ffff:ffff:ffff::, or for a wider ban
// the same with its length in the last byte.
func (f family) loadBan(bits int) []expr.Any {
	r := f.loadSource()
	if f.length == 4 {
		return r
	}
	mask := append(slices.Repeat([]byte{0xff}, bits/8), make([]byte, 16-bits/8)...)
	length := make([]byte, f.length)
	if bits != banBits6 {
		length[15] = byte(bits)
	}
	// [ bitwise reg 1 = ( reg 1 & 0xffffffff 0xffffffff 0x00000000 0x00000000 ) ^ 0x00000000 0x00000000 0x00000000 0x00000000 ]
	return append(r, &expr.Bitwise{SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: f.length, Mask: mask, Xor: length})
}

// banned refuses banned sources: what has ports, so that neighbours on the same
// link go on finding each other.
func (p *plan) banned(b *batch) [][]expr.Any {
	var rules [][]expr.Any
	for i, f := range families {
		for _, bits := range f.banLengths() {
			rules = append(rules, rule(f.loadBan(bits), in(p.sets.banned[i]), loadProto(), in(b.withPorts()), goTo("closed")))
		}
	}
	return rules
}

func (f family) banLengths() []int {
	if f.length == 4 {
		return []int{32}
	}
	return append([]int{banBits6}, wideBits6...)
}

// Ban refuses a source until a time, instead of until another if it is banned
// already. Whom never to ban is for the caller to know; trusted sources are not
// touched in any case.
func (f *Firewall) Ban(source netip.Prefix, until, now time.Time) error {
	left := until.Sub(now)
	if !source.IsValid() || left < time.Millisecond {
		return fmt.Errorf("ban %s for %s: want an address and a time to come", source, phrase.Duration(left))
	}
	set, key, err := f.sets.banOf(source)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
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
func (f *Firewall) Unban(source netip.Prefix) error {
	set, key, err := f.sets.banOf(source)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
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
			if p, ok := bannedBy(e.Key); ok {
				list = append(list, event.Ban{Source: p, Until: now.Add(e.Expires)})
			}
		}
	}
	slices.SortFunc(list, func(a, b event.Ban) int { return a.Source.Compare(b.Source) })
	return list, nil
}
