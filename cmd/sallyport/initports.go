package main

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"sallyport/internal/packet"
)

// doorway is a door that is to be.
type doorway struct {
	name  string
	ports []packet.Port // one, or a range
}

// parseDoorway reads NAME=tcp/PORT or NAME=udp/FIRST-LAST.
func parseDoorway(text string) (doorway, error) {
	name, ports, _ := strings.Cut(text, "=")
	r, err := packet.ParseRange(ports)
	return doorway{name, r.Ports()}, err
}

// isFor tells whether the door is for one port alone.
func (d doorway) isFor(p packet.Port) bool { return len(d.ports) == 1 && d.ports[0] == p }

// meets tells whether two doors cannot stand beside each other.
func (d doorway) meets(o doorway) bool {
	return d.name == o.name || slices.ContainsFunc(d.ports, func(p packet.Port) bool { return slices.Contains(o.ports, p) })
}

// words are the ports as the configuration has them.
func (d doorway) words() []string { return packet.Spell(d.ports) }

// lowestKnock keeps clear of the ports that services have by name.
const lowestKnock = 1024

// pick returns a random port that nothing else uses.
func (s *setup) pick(protocols ...packet.Proto) (packet.Port, error) {
	if int(s.below) < lowestKnock+1000+len(s.taken) {
		return packet.Port{}, hinted{fmt.Errorf("ephemeral ports begin at %d: there is no room for knock ports", s.below), "raise net.ipv4.ip_local_port_range"}
	}
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(s.below-lowestKnock)*int64(len(protocols))))
		if err != nil {
			return packet.Port{}, err
		}
		v := int(n.Int64())
		p := packet.Port{Proto: protocols[v%len(protocols)], Number: uint16(lowestKnock + v/len(protocols))}
		if !s.taken[p] {
			s.taken[p] = true
			return p, nil
		}
	}
}

// sequenceLength gives about 80 bits.
const sequenceLength = 5

// sequence picks knocks that are in no order.
func (s *setup) sequence() ([]packet.Port, error) {
	for {
		var list []packet.Port
		for range sequenceLength {
			p, err := s.pick(packet.TCP, packet.UDP)
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
