//go:build linux

// Package contacts sums up, by source and second, who touches closed ports. It costs a
// map access for each packet, and at most Most events a second; further sources of a
// second are one sum.
package contacts

import (
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// Counter counts contacts. It is for one goroutine, that of the pump.
type Counter struct {
	put     func(event.Event)
	sources map[netip.Addr]*contact
	cells   []contact // capacity fixed: sources points into it
	rest    event.Contacts
	second  time.Time
	each    uint64 // packets for which each one stands: others are not captured
}

// Most is how many sources are counted one by one in a second.
const Most = 2048

type contact struct {
	event.Contacts
	source netip.Addr
	ports  [portWords]uint64 // a bit for each port, by hash
}

const (
	portWords = 16
	portBits  = portWords * 64
)

// New returns a counter that has seen nothing. Put must not block.
func New(put func(event.Event)) *Counter {
	return &Counter{put: put, sources: make(map[netip.Addr]*contact, Most), cells: make([]contact, 0, Most), each: 1}
}

// Touched takes a packet to a closed port.
func (t *Counter) Touched(now time.Time, p *packet.Packet) {
	t.Settle(now)
	c := t.sources[p.Src]
	if c == nil && len(t.cells) == cap(t.cells) {
		t.count(&t.rest, now)
		return
	}
	if c == nil {
		t.cells = append(t.cells, contact{source: p.Src})
		c = &t.cells[len(t.cells)-1]
		t.sources[p.Src] = c
	}
	t.count(&c.Contacts, now)
	c.Seen |= event.PortBit(p.Port())
	hash := scatter(uint32(p.Proto)<<16|uint32(p.DstPort)) % portBits
	c.ports[hash/64] |= 1 << (hash % 64)
}

func (t *Counter) count(c *event.Contacts, now time.Time) {
	if c.Packets == 0 {
		c.First = now
	}
	c.Packets += t.each
	c.Last = now
}

// Settle passes on what there is once a second has gone by.
func (t *Counter) Settle(now time.Time) {
	if age := now.Sub(t.second); age < time.Second && age >= 0 {
		return
	}
	t.second = now
	for i := range t.cells {
		c := &t.cells[i]
		c.Ports = distinct(c.ports)
		t.pass(Of(c.source, c.Contacts))
	}
	if t.rest.Packets > 0 {
		t.pass(Rest(t.rest))
	}
	t.cells, t.rest = t.cells[:0], event.Contacts{}
	clear(t.sources)
}

// Each says for how many packets each one stands from now on.
func (t *Counter) Each(n int) { t.each = uint64(n) }

// pass passes an event on, and says if it is an estimate.
func (t *Counter) pass(e event.Event) {
	if t.each > 1 {
		e.Detail += fmt.Sprintf(", of which one in %d was looked at", t.each)
	}
	t.put(e)
}

// Of is the event about what one source has touched.
func Of(source netip.Addr, c event.Contacts) event.Event {
	return event.Event{Time: c.Last, Kind: event.KindContacts, Source: source, Count: c,
		Detail: phrase.Count(int(c.Packets), "packet") + " to about " + phrase.Count(int(c.Ports), "closed port")}
}

// Rest is the event about what all other sources have touched.
func Rest(c event.Contacts) event.Event {
	return event.Event{Time: c.Last, Kind: event.KindContacts, Count: c,
		Detail: phrase.Count(int(c.Packets), "packet") + " to closed ports from further sources"}
}

// scatter makes neighbours look random, as counting by bits assumes
// (Appleby's finalizer of MurmurHash3).
func scatter(h uint32) uint32 {
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// distinct estimates how many ports have set these bits (linear counting:
// Whang et al., 1990).
func distinct(ports [portWords]uint64) uint32 {
	set := 0
	for _, w := range ports {
		set += bits.OnesCount64(w)
	}
	return uint32(math.Round(-portBits * math.Log(1-float64(min(set, portBits-1))/portBits)))
}
