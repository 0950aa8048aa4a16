//go:build linux

package flood

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"sallyport/internal/packet"
)

var orders = Orders{
	Junk:    Junk{Port: 7000, Payload: 40},
	To:      netip.MustParseAddr("192.0.2.1"),
	Gateway: net.HardwareAddr{2, 0, 0, 0, 0, 1},
}

// TestFramesAreWellFormed: junk that the kernel throws away as broken would
// measure nothing.
func TestFramesAreWellFormed(t *testing.T) {
	f := newFrame(net.HardwareAddr{2, 0, 0, 0, 0, 2}, orders)
	var p packet.Packet
	for host := range uint32(1000) {
		f.renew(host, uint64(host)*0x9e3779b97f4a7c15)
		if sum := checksum(f[ipAt:transportAt]); sum != 0 {
			t.Fatalf("host %d: the header's checksum is wrong by %#x", host, sum)
		}
		if err := p.Decode(f[ipAt:]); err != nil {
			t.Fatalf("host %d: %v", host, err)
		}
		want := netip.AddrFrom4([4]byte{10, byte(host >> 16), byte(host >> 8), byte(host)})
		if p.Src != want || p.Dst != orders.To || p.Port() != (packet.Port{Proto: packet.UDP, Number: 7000}) || len(p.Payload) != orders.Payload {
			t.Fatalf("host %d: got %+v", host, p)
		}
	}
}

// TestScansAreWellFormed: every SYN goes to another port, with right checksums.
func TestScansAreWellFormed(t *testing.T) {
	o := orders
	o.Scan = true
	f := newFrame(net.HardwareAddr{2, 0, 0, 0, 0, 2}, o)
	var p packet.Packet
	ports := map[uint16]bool{}
	for host := range uint32(1000) {
		f.renew(host, uint64(host)*0x9e3779b97f4a7c15)
		if err := p.Decode(f[ipAt:]); err != nil {
			t.Fatalf("host %d: %v", host, err)
		}
		pseudo := append([]byte{0, byte(packet.TCP), 0, tcpEnd - transportAt}, f[sourceAt:transportAt]...)
		if sum := checksum(append(pseudo, f[transportAt:]...)); p.Proto != packet.TCP || p.Flags != packet.SYN || sum != 0 {
			t.Fatalf("host %d: %+v, checksum off by %#x", host, p, sum)
		}
		ports[p.Port().Number] = true
	}
	if len(ports) < 950 {
		t.Errorf("1000 packets to %d ports", len(ports))
	}
}

func TestPayloadsDiffer(t *testing.T) {
	f := newFrame(net.HardwareAddr{2, 0, 0, 0, 0, 2}, orders)
	f.renew(1, 1)
	first := string(f[payloadAt:])
	f.renew(1, 1<<40)
	if string(f[payloadAt:]) == first {
		t.Error("two packets carry the same payload: a replay guard would know the second one")
	}
}

func TestAFloodHasABound(t *testing.T) {
	if err := Main(`{"port":7000}`, nil, nil); err == nil {
		t.Error("orders without a bound are obeyed")
	}
}

// TestPoolsArePassedOnAsTheyAre: a single byte that is changed makes a forged
// message plain junk.
func TestPoolsArePassedOnAsTheyAre(t *testing.T) {
	pool := []byte("first!second")
	o := orders
	o.Payload = 6
	s := &sender{orders: o, pool: pool, random: 1, frames: []frame{newFrame(net.HardwareAddr{2, 0, 0, 0, 0, 2}, o)}}
	seen := map[string]int{}
	for range 100 {
		s.renew(1)
		seen[string(s.frames[0][payloadAt:])]++
	}
	if len(seen) != 2 || seen["first!"] == 0 || seen["second"] == 0 {
		t.Errorf("sent %v, want both payloads", seen)
	}
}

func TestAPoolHoldsWholePayloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pool")
	for text, good := range map[string]bool{"": false, "first": false, "first!": true, "first!second": true} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readPool(Junk{Pool: path, Payload: 6}); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
