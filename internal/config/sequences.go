package config

import (
	"cmp"
	"slices"

	"sallyport/internal/packet"
)

// neutral counts ports whose contacts are neither right nor wrong knocks, so
// that a run of them is recognised without walking it.
type neutral struct{ tcp, udp [1<<16 + 1]int32 } // [n]: how many below n

func (c *neutral) of(p packet.Proto) *[1<<16 + 1]int32 {
	if p == packet.UDP {
		return &c.udp
	}
	return &c.tcp
}

func (l *loader) neutralPorts() *neutral {
	c := new(neutral)
	add := func(p packet.Port) { c.of(p.Proto)[int(p.Number)+1] = 1 }
	for p := range l.owners {
		add(p)
	}
	for _, p := range l.config.Gate.Public {
		add(p)
	}
	for _, p := range l.config.SPA.Ports() {
		add(p)
	}
	for _, sums := range []*[1<<16 + 1]int32{&c.tcp, &c.udp} {
		for i := 1; i < len(sums); i++ {
			sums[i] += sums[i-1]
		}
	}
	return c
}

// checkScans refuses sequences that a scan of one port after the other would
// complete, upwards or downwards, even one that tries a port again.
func (l *loader) checkScans() {
	var ports *neutral
	for _, w := range l.ways() {
		if len(w.knocks) < minKnocks {
			continue
		}
		if ports == nil {
			ports = l.neutralPorts()
		}
		down := slices.Clone(w.knocks)
		slices.Reverse(down)
		if ports.scanned(w.knocks) || ports.scanned(down) {
			w.s.errorf(w.at, "%s: any scan of the ports in order opens this door: want at least one port out of order or out of reach of the one before", w.key)
		}
	}
}

// scanned reports whether a scan upwards makes exactly these knocks.
func (c *neutral) scanned(knocks []packet.Port) bool {
	for i, to := range knocks[1:] {
		from := knocks[i]
		if from.Proto != to.Proto || from.Number > to.Number {
			return false
		}
		sums := c.of(to.Proto)
		between := int32(to.Number) - int32(from.Number) - 1
		if between > 0 && sums[to.Number]-sums[from.Number+1] < between {
			return false
		}
	}
	return true
}

// checkPrefixes refuses a sequence with which a longer one begins: anyone who
// knocks the longer opens the door of the shorter on the way. Equal sequences
// are meant: they open both doors. Of one-time sequences only the next counts,
// so that among them there may be beginnings of others.
func (l *loader) checkPrefixes() {
	order := slices.DeleteFunc(l.ways(), func(w way) bool { return w.oneTime })
	// Sorted, a sequence is followed first by those that begin with it.
	slices.SortStableFunc(order, func(a, b way) int { return slices.CompareFunc(a.knocks, b.knocks, comparePorts) })
	next := -1
	for n := len(order) - 2; n >= 0; n-- {
		w := order[n]
		if !slices.Equal(w.knocks, order[n+1].knocks) {
			next = n + 1
		}
		if next >= 0 && hasPrefix(order[next].knocks, w.knocks) {
			longer := order[next]
			w.s.errorf(w.at, "%s: that of %s at %s begins with it, so knocking that opens this door too: change one of them", w.key, longer.s.title(), longer.at)
		}
	}
}

func comparePorts(a, b packet.Port) int {
	return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Number, b.Number))
}

func hasPrefix(s, prefix []packet.Port) bool {
	return len(s) >= len(prefix) && slices.Equal(s[:len(prefix)], prefix)
}
