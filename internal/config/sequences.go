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
	if l.config.SPA.Port != 0 {
		add(packet.Port{Proto: packet.UDP, Number: l.config.SPA.Port})
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
	for i, d := range l.config.Doors {
		if len(d.Sequence) < minKnocks {
			continue
		}
		if ports == nil {
			ports = l.neutralPorts()
		}
		down := slices.Clone(d.Sequence)
		slices.Reverse(down)
		if ports.scanned(d.Sequence) || ports.scanned(down) {
			s := l.doors[i]
			s.errorf(s.at("sequence"), "sequence: any scan of the ports in order opens this door: want at least one port out of order or out of reach of the one before")
		}
	}
}

// scanned tells whether a scan upwards makes exactly these knocks.
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

// checkPrefixes refuses a sequence with which a longer one begins: whoever
// knocks the longer opens the door of the shorter on the way. Equal sequences
// are meant: they open both doors.
func (l *loader) checkPrefixes() {
	order := make([]int, 0, len(l.config.Doors))
	for i, d := range l.config.Doors {
		if len(d.Sequence) > 0 {
			order = append(order, i)
		}
	}
	knocks := func(i int) []packet.Port { return l.config.Doors[i].Sequence }
	// Sorted, a sequence is followed first by those that begin with it.
	slices.SortStableFunc(order, func(i, j int) int { return slices.CompareFunc(knocks(i), knocks(j), comparePorts) })
	next := -1
	for n := len(order) - 2; n >= 0; n-- {
		i, after := order[n], order[n+1]
		if !slices.Equal(knocks(i), knocks(after)) {
			next = after
		}
		if next >= 0 && hasPrefix(knocks(next), knocks(i)) {
			s, longer := l.doors[i], l.doors[next]
			s.errorf(s.at("sequence"), "sequence: that of %s at %s begins with it, so knocking that opens this door too: change one of them", longer.title(), longer.at("sequence"))
		}
	}
}

func comparePorts(a, b packet.Port) int {
	return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Number, b.Number))
}

func hasPrefix(s, prefix []packet.Port) bool {
	return len(s) >= len(prefix) && slices.Equal(s[:len(prefix)], prefix)
}
