package capture

import "math/bits"

// Ports is a set of port numbers. The zero value is empty.
type Ports struct{ bits [1 << 16 / 64]uint64 }

// Add puts a port into the set.
func (p *Ports) Add(port uint16) { p.bits[port/64] |= 1 << (port % 64) }

// Has tells whether a port is in the set.
func (p *Ports) Has(port uint16) bool { return p.bits[port/64]&(1<<(port%64)) != 0 }

// interval is a run of ports, both ends included.
type interval struct{ first, last uint16 }

// intervals returns the set as at most limit runs. If there are more, the runs
// with the smallest gaps between them are joined: the result is then a superset.
func (p *Ports) intervals(limit int) []interval {
	var list []interval
	for port := 0; port < 1<<16; port++ {
		if p.bits[port/64] == 0 {
			port |= 63
			continue
		}
		if !p.Has(uint16(port)) {
			continue
		}
		if n := len(list); n > 0 && int(list[n-1].last)+1 == port {
			list[n-1].last = uint16(port)
		} else {
			list = append(list, interval{uint16(port), uint16(port)})
		}
	}
	for gap := 1; len(list) > limit; gap = nextGap(gap) {
		list = join(list, gap)
	}
	return list
}

// nextGap doubles, so that joining takes few rounds.
func nextGap(gap int) int { return 1 << bits.Len(uint(gap)) }

// join merges neighbours with at most gap ports between them.
func join(list []interval, gap int) []interval {
	out := list[:1]
	for _, i := range list[1:] {
		if last := &out[len(out)-1]; int(i.first)-int(last.last)-1 <= gap {
			last.last = i.last
		} else {
			out = append(out, i)
		}
	}
	return out
}
