//go:build linux

package moat

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"sallyport/internal/event"
	"sallyport/internal/key"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
	"sallyport/internal/spa"
)

func (b *bench) counters() Counters {
	b.t.Helper()
	c, err := b.Counters()
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// Without fresh keys the program must let everything through in the end.
func TestKeysRunOut(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	for _, c := range []struct {
		since time.Duration // that the daemon has been dead
		want  uint32
	}{
		{0, drop},
		{10 * time.Minute, drop},
		{Ahead, drop},
		{Ahead + 3*time.Minute, pass},
		{30 * 24 * time.Hour, pass},
		{-time.Hour, pass}, // the clock was set back, and nobody said so
	} {
		now := time.Now()
		keys := b.opener.MoatKeys(now.Add(-Margin), now.Add(Ahead+Margin))
		if err := b.SetKeys(now.Add(c.since), Keys{Port: spaPort, Skew: b.skew, Keys: keys, Rate: 2000}); err != nil {
			t.Fatal(err)
		}
		junk := message(client4, gate4, b.datagram(hybrid, 0, false)).bytes()
		for range samplesAtOnce + 1 {
			b.run(junk)
		}
		if got := b.run(junk); got != c.want {
			t.Errorf("%v later: verdict %d, want %d", c.since, got, c.want)
		}
	}
	if b.counters().Unchecked == 0 {
		t.Error("what was not checked was not counted")
	}
}

func TestNothingIsDroppedBeforeThereAreSettings(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	junk := message(client4, gate4, b.datagram(hybrid, 0, false)).bytes()
	b.exhaust()
	if got := b.run(junk); got != drop {
		t.Fatalf("verdict %d with settings", got)
	}
	if err := b.SetKeys(time.Now(), Keys{}); err != nil {
		t.Fatal(err)
	}
	if got := b.run(junk); got != pass {
		t.Errorf("verdict %d without keys", got)
	}
	b.setKeys(time.Now())
	if err := b.SetHost(Host{}); err != nil {
		t.Fatal(err)
	}
	if got := b.run(junk); got != pass {
		t.Errorf("verdict %d without addresses", got)
	}
}

// An honest client with a wrong clock must be heard, and the port must answer
// as others do, whatever it is sent at a modest rate.
func TestSomeWrongTagsPass(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	junk := message(client4, gate4, b.datagram(hybrid, 0, false)).bytes()
	passed := 0
	for range 2000 {
		if b.run(junk) == pass {
			passed++
		}
	}
	if passed < samplesAtOnce || passed > samplesAtOnce+20 {
		t.Errorf("%d of 2000 wrong tags passed, want about %d", passed, samplesAtOnce)
	}
	if c := b.counters(); c.Sampled != uint64(passed) || c.WrongTag != uint64(2000-passed) {
		t.Errorf("counted %+v", c)
	}
}

func TestBudgetOfASource(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	epoch := key.Epoch(time.Now())
	good := b.datagram(hybrid, epoch, true)
	passed := 0
	begin := time.Now()
	for range 3000 {
		if b.run(message(client4, gate4, good).bytes()) == pass {
			passed++
		}
	}
	most := 200 + int(time.Since(begin).Seconds()*2000) + 20
	if passed < 200 || passed > most {
		t.Errorf("%d of 3000 messages of one source passed, want 200 to %d", passed, most)
	}
	if c := b.counters(); c.OverBudget == 0 || c.Tagged != uint64(passed) {
		t.Errorf("counted %+v", c)
	}
	for name, src := range map[string]netip.Addr{"neighbour": client4.Next(), "IPv6": client6} {
		dst := gate4
		if src.Is6() {
			dst = gate6
		}
		if b.run(message(src, dst, good).bytes()) != pass {
			t.Errorf("a message of %s was dropped for somebody else's flood", name)
		}
	}
}

// The addresses of an IPv6 source are many; its network is one.
func TestBudgetOfAnIPv6Network(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	good := b.datagram(hybrid, key.Epoch(time.Now()), true)
	src, dropped := client6, 0
	for range 2000 {
		src = src.Next()
		if b.run(message(src, gate6, good).bytes()) == drop {
			dropped++
		}
	}
	if dropped < 500 {
		t.Errorf("%d of 2000 messages of one /64 were dropped", dropped)
	}
}

func TestServerKeyIsRotated(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	now := time.Now()
	before := b.datagram(hybrid, key.Epoch(now), true)
	old := b.server
	next, err := key.Generate(key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	b.server, b.opener = next, spa.NewOpener(key.NewKeyring(old).Rotate(next, now.Add(time.Hour)), b.skew)
	b.setKeys(now)
	b.exhaust()
	for name, payload := range map[string][]byte{"previous": before, "next": b.datagram(short, key.Epoch(now), true)} {
		if b.run(message(client4, gate4, payload).bytes()) != pass {
			t.Errorf("a message to the %s key was dropped", name)
		}
	}
	if b.run(message(client4, gate4, b.datagram(hybrid, key.Epoch(now), true)).bytes()) != drop {
		t.Error("a tag of the new key passed with the length of the previous one's messages")
	}
}

func TestSettingsThatDoNotFit(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	now := time.Now()
	keys := b.opener.MoatKeys(now, now.Add(3*time.Hour))
	if err := b.SetKeys(now, Keys{Port: spaPort, Keys: keys}); err == nil {
		t.Error("more epochs than there is room for were taken")
	}
}

func (b *bench) contacts() map[netip.Addr]event.Contacts {
	b.t.Helper()
	list, _, err := b.Contacts(time.Now(), 10)
	if err != nil {
		b.t.Fatal(err)
	}
	all := make(map[netip.Addr]event.Contacts)
	for _, c := range list {
		all[c.Source] = c.Contacts
	}
	return all
}

func TestContacts(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	syn := func(src, dst netip.Addr, port uint16) frame {
		return frame{src: src, dst: dst, proto: packet.TCP, port: port, flags: packet.SYN}
	}
	udp := func(src, dst netip.Addr, port uint16) frame {
		return frame{src: src, dst: dst, proto: packet.UDP, port: port}
	}
	begin := time.Now()
	for _, f := range []frame{
		syn(client4, gate4, 80), syn(client4, gate4, 80), udp(client4, gate4, 81),
		syn(client6, gate6, 443),
		syn(client4.Next(), guarded.Addr(), 443),
		// None of these is a contact:
		syn(other4, gate4, 22), udp(other4, gate4, spaPort), syn(other4, client4, 80),
		{src: other4, dst: gate4, proto: packet.TCP, port: 80, flags: packet.SYN | packet.ACK},
		{src: other4, dst: gate4, proto: packet.TCP, port: 80, flags: packet.ACK},
		{src: other4, dst: gate4, proto: packet.TCP, port: 80, flags: packet.SYN | packet.RST},
		{src: other4, dst: gate4, proto: 1, port: 80},
	} {
		if b.run(f.bytes()) != pass {
			t.Error("a contact was dropped")
		}
	}
	got := b.contacts()
	bits := event.PortBit(packet.Port{Proto: packet.TCP, Number: 80}) | event.PortBit(packet.Port{Proto: packet.UDP, Number: 81})
	c := got[client4]
	if len(got) != 3 || c.Packets != 3 || c.Ports != 2 || c.Seen != bits {
		t.Errorf("got %+v", got)
	}
	if c.First.Before(begin.Add(-time.Second)) || c.Last.After(time.Now().Add(time.Second)) || c.Last.Before(c.First) {
		t.Errorf("from %v to %v, now is %v", c.First, c.Last, begin)
	}
	if again := b.contacts(); len(again) != 0 {
		t.Errorf("they are still there: %+v", again)
	}
}

func TestDistinctPorts(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	for _, n := range []int{1, 10, 100, 1000, 20_000} {
		for i := range n {
			b.run(frame{src: client4, dst: gate4, proto: packet.TCP, port: uint16(1000 + i), flags: packet.SYN}.bytes())
		}
		c := b.contacts()[client4]
		if off := math.Abs(float64(c.Ports)/float64(n) - 1); off > 0.35 {
			t.Errorf("%d ports: estimated %d", n, c.Ports)
		}
		if c.Packets != uint64(n) {
			t.Errorf("%d ports: counted %d packets", n, c.Packets)
		}
	}
}

// Whoever invents sources must not be able to hide, nor to cost more.
func TestManySources(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	src := netip.MustParseAddr("10.0.0.0")
	for i := range 30_000 {
		src = src.Next()
		b.run(frame{src: src, dst: gate4, proto: packet.TCP, port: 80, flags: packet.SYN}.bytes())
		if i%20 == 0 {
			b.run(frame{src: client4, dst: gate4, proto: packet.TCP, port: uint16(i + 100), flags: packet.SYN}.bytes())
		}
	}
	list, rest, err := b.Contacts(time.Now(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	sum := rest.Packets
	for _, c := range list {
		sum += c.Packets
	}
	if len(list) != 1000 || sum != 31_500 {
		t.Errorf("%d sources, %d packets in all", len(list), sum)
	}
	if first := list[0]; first.Source != client4 || first.Packets < 1000 {
		t.Errorf("the scanner is not the first: %+v", first)
	}
}

// A host may have more addresses than are looked at without a lookup, and they
// change.
func TestManyAddresses(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	junk := b.datagram(hybrid, key.Epoch(time.Now()), false)
	var all []netip.Addr
	for i := range 2 * len(b.settings.Near) {
		all = append(all, netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + i)}), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(100 + i)}))
	}
	for _, own := range [][]netip.Addr{all, all[:3], nil, all} {
		if err := b.SetHost(Host{Own: append(own[:len(own):len(own)], gate4)}); err != nil {
			t.Fatal(err)
		}
		for i, a := range all {
			b.exhaust()
			source, want := client6, uint32(pass)
			if a.Is4() {
				source = client4
			}
			if i < len(own) {
				want = drop
			}
			got := b.run(message(source, a, junk).bytes())
			if got != want && want == drop { // it may have been the one in 60 ms that passes
				got = b.run(message(source, a, junk).bytes())
			}
			if got != want {
				t.Errorf("of %d own addresses, to %s: verdict %d, want %d", len(own), a, got, want)
			}
		}
	}
}

// What the kernel refuses is said in a line, not in thousands.
func TestComplaintOfTheVerifier(t *testing.T) {
	labtest.Need(t, "bpf")
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{
		asm.LoadMem(asm.R0, asm.R2, 0, asm.Word), // R2 holds nothing
		asm.Return(),
	}})
	if err == nil {
		p.Close()
		t.Fatal("the kernel takes anything")
	}
	text := shortened(err).Error()
	if strings.Contains(text, "\n") || !strings.Contains(text, "verifier: R2 !read_ok") {
		t.Errorf("%q", text)
	}
}
