//go:build linux

package contacts

import (
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/packet"
)

func TestContactsAreSummedUpBySourceAndSecond(t *testing.T) {
	var told []event.Event
	c := New(func(e event.Event) { told = append(told, e) })
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	mole, other := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1")
	touch := func(after time.Duration, a netip.Addr, port int) {
		c.Touched(start.Add(after), &packet.Packet{Proto: packet.TCP, Src: a, DstPort: uint16(port)})
	}
	for port := range 500 {
		touch(0, mole, port)
		touch(0, mole, port)
	}
	touch(10*time.Millisecond, other, 80)
	if len(told) != 0 {
		t.Fatalf("told before the second was over: %+v", told)
	}
	c.Settle(start.Add(time.Second))
	if len(told) != 2 || told[0].Source != mole || told[0].Count.Packets != 1000 || told[1].Count.Ports != 1 || told[1].Count.Seen == 0 {
		t.Fatalf("%+v", told)
	}
	if n := told[0].Count.Ports; n < 450 || n > 550 {
		t.Errorf("500 ports are taken for %d", n)
	}
	c.Settle(start.Add(time.Minute))
	if len(told) != 2 {
		t.Errorf("told again: %+v", told[2:])
	}
}

func TestContactsOfVeryManySourcesAreOneSum(t *testing.T) {
	var told []event.Event
	c := New(func(e event.Event) { told = append(told, e) })
	start := time.Now()
	p := &packet.Packet{Proto: packet.UDP, DstPort: 9}
	for n := range 100_000 {
		p.Src = netip.AddrFrom4([4]byte{1, byte(n >> 16), byte(n >> 8), byte(n)})
		c.Touched(start, p)
	}
	c.Settle(start.Add(2 * time.Second))
	if last := told[len(told)-1]; len(told) != Most+1 || last.Source.IsValid() || last.Count.Packets != 100_000-Most {
		t.Errorf("%d events, the last %+v", len(told), told[len(told)-1])
	}
	n := 0
	if got := testing.AllocsPerRun(1000, func() {
		n++
		p.Src = netip.AddrFrom4([4]byte{2, 0, byte(n >> 8), byte(n)})
		c.Touched(start.Add(2*time.Second), p)
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestSampledContactsAreMultiplied(t *testing.T) {
	var told []event.Event
	c := New(func(e event.Event) { told = append(told, e) })
	c.Each(8)
	start := time.Now()
	c.Touched(start, &contactPacket)
	c.Settle(start.Add(2 * time.Second))
	if len(told) != 1 || told[0].Count.Packets != 8 || told[0].Detail != "8 packets to about 1 closed port, of which one in 8 was looked at" {
		t.Errorf("%+v", told)
	}
}

var contactPacket = packet.Packet{Proto: packet.TCP, Src: netip.MustParseAddr("192.0.2.9"), DstPort: 80}
