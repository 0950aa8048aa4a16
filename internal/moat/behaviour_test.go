//go:build linux

package moat

import (
	"errors"
	"math"
	"net/netip"
	"os"
	"path/filepath"
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
	b.exhaust()
	for _, c := range []struct {
		since time.Duration // that the daemon has been dead
		want  uint32
	}{
		{0, drop},
		{10 * time.Minute, drop},
		{Ahead, drop},
		{Ahead + 3*key.EpochLength, pass},
		{30 * 24 * time.Hour, pass},
		{-time.Hour, pass}, // the clock was set back, and nobody said so
	} {
		now := time.Now()
		keys := b.opener.MoatKeys(now.Add(-Margin), now.Add(Ahead+Margin))
		if err := b.SetKeys(now.Add(c.since), Keys{Port: spaPort, Skew: b.skew, Keys: keys, Rate: 2000}); err != nil {
			t.Fatal(err)
		}
		junk := message(client4, gate4, b.datagram(hybrid, 0, false)).bytes()
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

// What the host would answer passes: so many of one source, and so many of all. Who
// sends more takes nothing from others.
func TestWhatTheHostAnswersPasses(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	b.answers = answers{once(50), [2]programPace{once(5), once(7)}}
	b.setKeys(time.Now())
	junk := b.datagram(hybrid, 0, false)
	passed, sent := 0, 0
	send := func(src, dst netip.Addr, times, want int) {
		t.Helper()
		n := 0
		for range times {
			if b.run(message(src, dst, junk).bytes()) == pass {
				n++
			}
		}
		if n != want {
			t.Errorf("%d of %d of %s passed, want %d", n, times, src, want)
		}
		passed, sent = passed+n, sent+times
	}
	send(client4, gate4, 1000, 5)
	send(client4.Next(), gate4, 1, 1)
	send(client6, gate6, 1000, 7)
	send(client6.Next(), gate6, 1, 1) // each address has answers of its own
	other := netip.MustParseAddr("198.51.100.0")
	for range 36 {
		other = other.Next()
		send(other, gate4, 1, 1)
	}
	send(other.Next(), gate4, 10, 0) // fifty in all
	if c := b.counters(); c.Sampled != uint64(passed) || c.WrongTag != uint64(sent-passed) {
		t.Errorf("counted %+v, want %d passed of %d", c, passed, sent)
	}
}

// Where the host has no limit, nothing is dropped.
func TestAHostWithoutLimits(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	b.answers = answers{}
	b.setKeys(time.Now())
	junk := message(client4, gate4, b.datagram(hybrid, 0, false)).bytes()
	for range 1000 {
		if b.run(junk) != pass {
			t.Fatal("the host would have answered")
		}
	}
}

// Where closed ports are silent, only what the daemon looks at passes.
func TestASilentHost(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	b.answers = answers{}
	if err := b.SetHost(Host{Own: []netip.Addr{gate4}, Silent: true}); err != nil {
		t.Fatal(err)
	}
	b.setKeys(time.Now())
	if b.settings.Spares != silent.all || b.settings.Spare != silent.each {
		t.Errorf("what passes is %+v, %+v", b.settings.Spares, b.settings.Spare)
	}
}

func TestReadAnswers(t *testing.T) {
	usual := answers{paced(8000, 400), [2]programPace{every(time.Second), every(time.Second / 16)}}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  answers
	}{
		{"nothing to be read", nil, usual},
		{"the defaults", map[string]string{
			"ipv4/icmp_msgs_per_sec": "1000", "ipv4/icmp_msgs_burst": "50", "ipv4/icmp_ratelimit": "1000", "ipv4/icmp_ratemask": "6168",
			"ipv6/icmp/ratelimit": "1000", "ipv6/icmp/ratemask": "0-1,3-127",
		}, usual},
		{"more in all", map[string]string{"ipv4/icmp_msgs_per_sec": "10000", "ipv4/icmp_msgs_burst": "10000"}, answers{paced(80_000, 80_000), usual.each}},
		{"more for each", map[string]string{"ipv4/icmp_ratelimit": "10", "ipv6/icmp/ratelimit": "20"}, answers{usual.all, [2]programPace{every(10 * time.Millisecond), every(20 * time.Millisecond)}}},
		{"no limit for each", map[string]string{"ipv4/icmp_ratelimit": "0", "ipv6/icmp/ratelimit": "0"}, answers{usual.all, [2]programPace{}}},
		{"these answers have no limit", map[string]string{"ipv4/icmp_ratemask": "6160"}, answers{}},
		{"nor have these", map[string]string{"ipv6/icmp/ratemask": "0,2-127"}, answers{}},
		{"nonsense", map[string]string{"ipv4/icmp_msgs_per_sec": "many", "ipv4/icmp_ratelimit": "-1"}, usual},
	} {
		dir := t.TempDir()
		for name, text := range c.files {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text+"\n"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if got := readAnswers(dir); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestBudgetOfASource(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	b.exhaust()
	good := b.datagram(hybrid, key.Epoch(time.Now()), true)
	b.settings.Budget = once(200)
	if err := b.publish(); err != nil {
		t.Fatal(err)
	}
	passed := 0
	for range 3000 {
		if b.run(message(client4, gate4, good).bytes()) == pass {
			passed++
		}
	}
	if c := b.counters(); passed != 200 || c.OverBudget != 2800 || c.Tagged != 200 {
		t.Errorf("%d of 3000 messages of one source passed, counted %+v", passed, c)
	}
	for name, src := range map[string]netip.Addr{"neighbour": client4.Next(), "IPv6": client6} {
		dst := gate4
		if src.Is6() {
			dst = gate6
		}
		if b.run(message(src, dst, good).bytes()) != pass {
			t.Errorf("a message of %s was dropped because of another's flood", name)
		}
	}
}

// What is over the budget is answered as junk is.
func TestOverTheBudgetTheHostAnswers(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	b.answers = answers{once(1000), [2]programPace{once(5), once(5)}}
	b.setKeys(time.Now())
	b.settings.Budget = once(20)
	if err := b.publish(); err != nil {
		t.Fatal(err)
	}
	good, passed := message(client4, gate4, b.datagram(hybrid, key.Epoch(time.Now()), true)).bytes(), 0
	for range 100 {
		if b.run(good) == pass {
			passed++
		}
	}
	if c := b.counters(); passed != 25 || c.Tagged != 20 || c.Sampled != 5 || c.OverBudget != 75 {
		t.Errorf("%d passed, counted %+v", passed, c)
	}
}

// The addresses of an IPv6 source are many; its network is one.
func TestBudgetOfAnIPv6Network(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	b.exhaust()
	good := b.datagram(hybrid, key.Epoch(time.Now()), true)
	b.settings.Budget = once(200)
	if err := b.publish(); err != nil {
		t.Fatal(err)
	}
	src, passed := client6, 0
	for range 500 {
		src = src.Next()
		if b.run(message(src, gate6, good).bytes()) == pass {
			passed++
		}
	}
	if passed != 200 {
		t.Errorf("%d of 500 messages of one /64 passed", passed)
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

// Anyone who invents sources must not be able to hide, nor to cost more.
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
	b.exhaust()
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
			source, want := client6, uint32(pass)
			if a.Is4() {
				source = client4
			}
			if i < len(own) {
				want = drop
			}
			if got := b.run(message(source, a, junk).bytes()); got != want {
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
