package gate

import (
	"net/netip"

	"sallyport/internal/packet"
)

// portSet is a set of TCP and UDP ports, one bit each.
type portSet struct{ tcp, udp [1 << 16 / 64]uint64 }

func (s *portSet) word(p packet.Port) *uint64 {
	if p.Proto == packet.UDP {
		return &s.udp[p.Number/64]
	}
	return &s.tcp[p.Number/64]
}

func (s *portSet) add(p packet.Port)      { *s.word(p) |= 1 << (p.Number % 64) }
func (s *portSet) remove(p packet.Port)   { *s.word(p) &^= 1 << (p.Number % 64) }
func (s *portSet) has(p packet.Port) bool { return *s.word(p)&(1<<(p.Number%64)) != 0 }

// prefixes is a set of address prefixes. Looking an address up costs one map
// access for each different length in the set, not for each prefix.
type prefixes struct {
	v4, v6 []int // the different lengths
	set    map[netip.Prefix]struct{}
}

func (s *prefixes) add(p netip.Prefix) {
	if s.set == nil {
		s.set = make(map[netip.Prefix]struct{})
	}
	s.set[p.Masked()] = struct{}{}
	lengths := s.lengths(p.Addr())
	for _, n := range *lengths {
		if n == p.Bits() {
			return
		}
	}
	*lengths = append(*lengths, p.Bits())
}

func (s *prefixes) lengths(a netip.Addr) *[]int {
	if a.Is4() {
		return &s.v4
	}
	return &s.v6
}

func (s *prefixes) contain(a netip.Addr) bool {
	for _, n := range *s.lengths(a) {
		p, err := a.Prefix(n)
		if _, ok := s.set[p]; ok && err == nil {
			return true
		}
	}
	return false
}
