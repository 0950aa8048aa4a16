package setup

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"sallyport/internal/packet"
	"sallyport/internal/sequence"
)

// Door is a door that is to be.
type Door struct {
	Name  string
	Ports []packet.Port // one, or a range
}

// ParseDoor reads NAME=tcp/PORT or NAME=udp/FIRST-LAST.
func ParseDoor(text string) (Door, error) {
	name, ports, _ := strings.Cut(text, "=")
	r, err := packet.ParseRange(ports)
	return Door{name, r.Ports()}, err
}

// IsFor reports whether the door is for one port alone.
func (d Door) IsFor(p packet.Port) bool { return len(d.Ports) == 1 && d.Ports[0] == p }

// Meets reports whether two doors cannot stand beside each other.
func (d Door) Meets(o Door) bool {
	return d.Name == o.Name || slices.ContainsFunc(d.Ports, func(p packet.Port) bool { return slices.Contains(o.Ports, p) })
}

// Words are the ports as the configuration has them.
func (d Door) Words() []string { return packet.Spell(d.Ports) }

// Take keeps ports from being picked for knocks.
func (h Host) Take(ports ...packet.Port) {
	for _, p := range ports {
		h.taken[p] = true
	}
}

// lowestKnock keeps clear of the ports that services have by name.
const lowestKnock = 1024

// pick returns a random port that nothing else uses, and to which browsers send.
func (h Host) pick(protocols ...packet.Proto) (packet.Port, error) {
	if int(h.below) < lowestKnock+1000+len(h.taken) {
		return packet.Port{}, &advised{fmt.Errorf("ephemeral ports begin at %d: there is no room for knock ports", h.below), "raise net.ipv4.ip_local_port_range"}
	}
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(h.below-lowestKnock)*int64(len(protocols))))
		if err != nil {
			return packet.Port{}, err
		}
		v := int(n.Int64())
		p := packet.Port{Proto: protocols[v%len(protocols)], Number: uint16(lowestKnock + v/len(protocols))}
		if !h.taken[p] && !sequence.Refused(p.Number) {
			h.taken[p] = true
			return p, nil
		}
	}
}

// SequenceLength gives about 80 bits.
const SequenceLength = 5

// Sequence picks knocks that are in no order, on ports that nothing uses.
func (h Host) Sequence() ([]packet.Port, error) {
	for {
		var list []packet.Port
		for range SequenceLength {
			p, err := h.pick(packet.TCP, packet.UDP)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
		byNumber := func(a, b packet.Port) int { return int(a.Number) - int(b.Number) }
		falling := func(a, b packet.Port) int { return int(b.Number) - int(a.Number) }
		if !slices.IsSortedFunc(list, byNumber) && !slices.IsSortedFunc(list, falling) {
			return list, nil
		}
	}
}
