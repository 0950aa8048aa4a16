//go:build linux

package capture

import (
	"cmp"
	"slices"
)

// Ports is a set of port numbers. The zero value is empty.
type Ports struct{ bits [1 << 16 / 64]uint64 }

// Add puts a port into the set.
func (p *Ports) Add(port uint16) { p.bits[port/64] |= 1 << (port % 64) }

// Has reports whether a port is in the set.
func (p *Ports) Has(port uint16) bool { return p.bits[port/64]&(1<<(port%64)) != 0 }

// interval is a run of ports, both ends included.
type interval struct{ first, last uint16 }

// intervals returns the set as at most limit runs. If there are more, those
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
	return join(list, limit)
}

// join closes the smallest gaps until at most limit runs are left.
func join(list []interval, limit int) []interval {
	if len(list) <= limit {
		return list
	}
	runs := make([]int, len(list)-1) // all but the first, the nearest to its neighbour below first
	for i := range runs {
		runs[i] = i + 1
	}
	gap := func(i int) uint16 { return list[i].first - list[i-1].last }
	slices.SortStableFunc(runs, func(a, b int) int { return cmp.Compare(gap(a), gap(b)) })
	joins := make([]bool, len(list))
	for _, i := range runs[:len(list)-limit] {
		joins[i] = true
	}
	out := list[:1]
	for i, run := range list {
		switch {
		case i == 0:
		case joins[i]:
			out[len(out)-1].last = run.last
		default:
			out = append(out, run)
		}
	}
	return out
}

// unasked returns how many ports are in the runs but not in the set.
func (p *Ports) unasked(runs []interval) (n int) {
	for _, run := range runs {
		for port := int(run.first); port <= int(run.last); port++ {
			if !p.Has(uint16(port)) {
				n++
			}
		}
	}
	return n
}
