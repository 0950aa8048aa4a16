//go:build linux && !client_only

package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// probe is a packet to one port, of which the answer is looked at.
type probe struct {
	proto byte
	tos   byte // traffic class
	label uint32
	flags byte // TCP
	bytes int  // of data
	fast  bool // TCP: asks for a cookie of Fast Open (RFC 7413)
	df    bool
}

func (p probe) String() string {
	if p.proto == unix.IPPROTO_TCP {
		return fmt.Sprintf("TCP flags %#02x, %d bytes, Fast Open %v, TOS %#02x, label %#x, DF %v", p.flags, p.bytes, p.fast, p.tos, p.label, p.df)
	}
	return fmt.Sprintf("UDP of %d bytes, TOS %#02x, label %#x, DF %v", p.bytes, p.tos, p.label, p.df)
}

// probes of both protocols. Of ECN bits the answer must not have any (RFC 3168).
func probes() (list []probe) {
	for _, tos := range []byte{0, 0x10, 0x28, 0xbb, 0xfc} {
		for i, flags := range []byte{0x02, 0xc2, 0x10, 0x01, 0x29, 0x00} { // SYN, with ECN, ACK, FIN, Xmas, NULL
			list = append(list, probe{proto: unix.IPPROTO_TCP, tos: tos, label: uint32(i) * 0x12345, flags: flags, df: tos != 0x28})
		}
		for _, n := range []int{0, 1, 1400} {
			list = append(list, probe{proto: unix.IPPROTO_TCP, tos: tos, label: uint32(n) * 0x57, flags: 0x02, bytes: n, fast: true, df: tos != 0x10},
				probe{proto: unix.IPPROTO_TCP, tos: tos, label: uint32(n) * 0x75, flags: 0x02, bytes: n, df: tos == 0x10})
		}
		for _, n := range []int{0, 32, 1232, 1400} {
			list = append(list, probe{proto: unix.IPPROTO_UDP, tos: tos, label: uint32(n) * 0x111, bytes: n, df: tos == 0x28})
		}
	}
	return list
}

// from is a packet with the headers of IP.
func (p probe) from(src, dst netip.AddrPort) []byte {
	body := p.segment(src.Port(), dst.Port())
	at := 6
	if p.proto == unix.IPPROTO_TCP {
		at = 16
	}
	binary.BigEndian.PutUint16(body[at:], checksum(src.Addr(), dst.Addr(), p.proto, body))
	if dst.Addr().Is6() {
		head := binary.BigEndian.AppendUint32(nil, 6<<28|uint32(p.tos)<<20|p.label)
		head = append(binary.BigEndian.AppendUint16(head, uint16(len(body))), p.proto, 64)
		return append(append(append(head, src.Addr().AsSlice()...), dst.Addr().AsSlice()...), body...)
	}
	fragment := uint16(0)
	if p.df {
		fragment = 0x4000
	}
	head := binary.BigEndian.AppendUint16([]byte{0x45, p.tos}, uint16(20+len(body)))
	head = binary.BigEndian.AppendUint16(append(head, 0x12, 0x34), fragment)
	head = append(append(append(head, 64, p.proto, 0, 0), src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	return append(head, body...)
}

func (p probe) segment(src, dst uint16) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, src), dst)
	if p.proto == unix.IPPROTO_TCP {
		var options []byte
		if p.fast {
			options = []byte{34, 2, 1, 1}
		}
		b = append(b, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, byte(20+len(options))<<2, p.flags, 0xfa, 0xf0, 0, 0, 0, 0)
		return append(append(b, options...), bytes.Repeat([]byte{0xa5}, p.bytes)...)
	}
	b = append(binary.BigEndian.AppendUint16(b, uint16(8+p.bytes)), 0, 0)
	return append(b, bytes.Repeat([]byte{0xa5}, p.bytes)...)
}

// checksum is that of TCP and UDP (RFC 1071).
func checksum(src, dst netip.Addr, proto byte, body []byte) uint16 {
	all := slices.Concat(src.AsSlice(), dst.AsSlice(), []byte{0, proto}, binary.BigEndian.AppendUint16(nil, uint16(len(body))), body, []byte{0})
	sum := uint32(0)
	for i := 0; i+1 < len(all); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(all[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum == 0xffff {
		return 0xffff
	}
	return ^uint16(sum)
}

// rawProber sends raw packets from a host, and hears what comes back.
type rawProber struct {
	t        *testing.T
	host     *lab.Host
	out4     int
	out6     int
	in       int
	nextPort uint16
}

func newRawProber(t *testing.T, h *lab.Host) *rawProber {
	t.Helper()
	p := &rawProber{t: t, host: h, nextPort: 20_000}
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
	err := h.Do(func() (err error) {
		if p.out4, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			return err
		}
		if p.out6, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			return err
		}
		if p.in, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all); err != nil {
			return err
		}
		return unix.SetsockoptTimeval(p.in, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, fd := range []int{p.out4, p.out6, p.in} {
			_ = unix.Close(fd)
		}
	})
	return p
}

func (p *rawProber) send(packet []byte, to netip.Addr) {
	p.t.Helper()
	var err error
	if to.Is6() {
		err = unix.Sendto(p.out6, packet, 0, &unix.SockaddrInet6{Addr: to.As16()})
	} else {
		err = unix.Sendto(p.out4, packet, 0, &unix.SockaddrInet4{Addr: to.As4()})
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// ask sends a probe and describes the answer, field by field.
func (p *rawProber) ask(what probe, to netip.AddrPort) string {
	p.t.Helper()
	for range 30 { // the kernel says only so often that a port is closed
		if text := p.once(what, to); text != "" {
			return text
		}
	}
	return "silence"
}

// once sends a probe, and describes the answer if there is one.
func (p *rawProber) once(what probe, to netip.AddrPort) string {
	p.t.Helper()
	src := p.host.IP4
	if to.Addr().Is6() {
		src = p.host.IP6
	}
	p.nextPort++
	packet := what.from(netip.AddrPortFrom(src, p.nextPort), to)
	p.send(packet, to.Addr())
	return p.hear(packet)
}

// hear waits a little for the answer to a packet.
func (p *rawProber) hear(sent []byte) string {
	buf := make([]byte, 4000)
	for deadline := time.Now().Add(200 * time.Millisecond); time.Now().Before(deadline); {
		n, from, err := unix.Recvfrom(p.in, buf, 0)
		link, ok := from.(*unix.SockaddrLinklayer)
		if err != nil || !ok || link.Pkttype == unix.PACKET_OUTGOING || n < 28 {
			continue
		}
		if text := describe(sent, buf[:n]); text != "" {
			return text
		}
	}
	return ""
}

// describe says what an answer is like, or nothing if it is not one to what was
// sent. Addresses and ports are not named: the answer has them the other way round,
// or quotes them.
func describe(sent, got []byte) string {
	if got[0]>>4 != sent[0]>>4 {
		return ""
	}
	head, proto, text := 20, got[9], ""
	if got[0]>>4 == 4 {
		text = fmt.Sprintf("%d bytes, TOS %#02x, TTL %d, fragment %#x, ID zero %v, header %#x", binary.BigEndian.Uint16(got[2:]), got[1], got[8],
			binary.BigEndian.Uint16(got[6:]), got[4] == 0 && got[5] == 0, got[0])
	} else {
		first := binary.BigEndian.Uint32(got)
		head, proto = 40, got[6]
		text = fmt.Sprintf("%d bytes, class %#02x, hop limit %d, label %v", binary.BigEndian.Uint16(got[4:]), first>>20&0xff, got[7], first&0xfffff != 0)
	}
	asked, answer := sent[head:], got[head:]
	switch {
	case proto == unix.IPPROTO_TCP && len(answer) >= 20 && bytes.Equal(answer[:2], asked[2:4]) && bytes.Equal(answer[2:4], asked[:2]):
		return text + fmt.Sprintf(": TCP flags %#x, sequence %x, acknowledges %x, window %x, %d bytes", answer[13], answer[4:8], answer[8:12], answer[14:16], len(answer))
	case (proto == unix.IPPROTO_ICMP || proto == unix.IPPROTO_ICMPV6) && len(answer) >= 8+head+4 && bytes.Equal(answer[8+head:8+head+4], asked[:4]):
		quoted := answer[8:]
		same := bytes.Equal(quoted[head:], asked[:min(len(quoted)-head, len(asked))]) && bytes.Equal(quoted[:8], sent[:8])
		return text + fmt.Sprintf(": ICMP type %d code %d, rest %x, quotes %d bytes, as sent %v", answer[0], answer[1], answer[4:8], len(quoted), same)
	}
	return ""
}

// The doors of a gate that rejects, the SPA port and any other closed port give the
// same answers, in every field; but for resets of nftables, which leave the TOS at
// zero, so that only with policy "all" doors answer all probes as other ports do
// (docs/THREATS.md, the lint rule reset-shows-doors).
func TestClosedPortsAnswerAlike(t *testing.T) {
	for _, c := range []struct {
		name, settings string
		marked         bool
	}{
		{"doors", "[gate]\nclosed = 'reject'\n", true},
		{"doors, moat", "[gate]\nclosed = 'reject'\n" + moatGeneric, true},
		{"all", "[gate]\npolicy = 'all'\nclosed = 'reject'\n", false},
		{"all, moat", "[gate]\npolicy = 'all'\nclosed = 'reject'\n" + moatGeneric, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := answering(t, c.settings)
			p := newRawProber(t, w.Client)
			for _, what := range probes() {
				// A door with a service, the SPA port, a closed port.
				ports := []uint16{22, spaPort, 2222}
				for _, gate := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
					want := p.ask(what, netip.AddrPortFrom(gate, 2223))
					if want == "silence" {
						t.Errorf("%v: a closed port is silent", what)
					}
					for _, port := range ports {
						got := p.ask(what, netip.AddrPortFrom(gate, port))
						plain := c.marked && port == 22 && what.proto == unix.IPPROTO_TCP
						if got != want && anyID(got) == anyID(want) { // an ID is zero by chance, once in 65,536
							want, got = p.ask(what, netip.AddrPortFrom(gate, 2223)), p.ask(what, netip.AddrPortFrom(gate, port))
						}
						if got != want && !(plain && got == unmarked.Replace(want)) {
							t.Errorf("%v to %s:\nport %d: %s\nclosed:  %s", what, gate, port, got, want)
						}
					}
				}
			}
		})
	}
}

// anyID leaves out whether the ID of an IPv4 packet is zero.
func anyID(answer string) string {
	return strings.NewReplacer("ID zero true", "", "ID zero false", "").Replace(answer)
}

// unmarked is what nftables makes of a reset of the kernel's own.
var unmarked = strings.NewReplacer("TOS 0x10", "TOS 0x00", "TOS 0x28", "TOS 0x00", "TOS 0xb8", "TOS 0x00", "TOS 0xfc", "TOS 0x00",
	"class 0x10", "class 0x00", "class 0x28", "class 0x00", "class 0xb8", "class 0x00", "class 0xfc", "class 0x00")

// answering is a gate whose closed ports answer without a limit for each address.
func answering(t *testing.T, settings string) *world {
	t.Helper()
	opts := lab.Options{Spoofed: []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("2001:db8:bad::/48")}}
	if strings.Contains(settings, "moat") {
		labtest.Need(t, "bpf")
		labtest.Need(t, "netns")
		if err := mountPins(); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, opts)
	for _, name := range []string{"net/ipv4/icmp_ratelimit", "net/ipv6/icmp/ratelimit"} {
		if err := w.Gate.Sysctl(name, "0"); err != nil {
			t.Fatal(err)
		}
	}
	w.serve("tcp", 22)
	w.serve("udp", 22)
	w.configure(settings + fmt.Sprintf("\n[spa]\nport = %d\n\n[[door]]\nname = 'ssh'\nports = ['tcp/22', 'udp/22']\n", spaPort))
	w.start()
	if strings.Contains(settings, "moat") {
		w.guarded("generic")
	}
	return w
}

// Whatever comes, and from however many sources, the SPA port answers as much of it
// as another closed port does.
func TestFloodedPortsAnswerAlike(t *testing.T) {
	t.Parallel()
	w := answering(t, moatGeneric)
	if err := w.Gate.Sysctl("net/ipv4/icmp_msgs_per_sec", "300"); err != nil {
		t.Log(err) // before there was one for each namespace
	}
	w.must(w.Gate, "reload", "-c", w.config)
	p := newRawProber(t, w.Attacker)
	junk := probe{proto: unix.IPPROTO_UDP, bytes: 1232}
	for _, gate := range []netip.Addr{w.Attacker.Gate4, w.Attacker.Gate6} {
		answered, took := make(map[uint16]float64), make(map[uint16]time.Duration)
		for round := range 6 {
			for _, port := range []uint16{spaPort, spaPort + 1} {
				before, begin := w.unreachables(), time.Now()
				time.Sleep(60 * time.Millisecond) // the kernel may answer again meanwhile, and counts
				for range 3000 {
					p.send(junk.from(netip.AddrPortFrom(invented(gate), 40_000), netip.AddrPortFrom(gate, port)), gate)
				}
				w.reaches(w.Attacker, gate) // what was sent before has been looked at
				if round > 0 {              // at first the kernel has a few to give away
					answered[port] += float64(w.unreachables() - before)
					took[port] += time.Since(begin)
				}
			}
		}
		// What the kernel answers goes by time, of which a busy machine takes more.
		a, b := answered[spaPort]/took[spaPort].Seconds(), answered[spaPort+1]/took[spaPort+1].Seconds()
		t.Logf("to %s: flooded, %.0f answers a second of the SPA port and %.0f of another", gate, a, b)
		if a < b/2 || b < a/2 {
			t.Errorf("to %s: %.0f answers a second of the SPA port, %.0f of another", gate, a, b)
		}
	}
	if n := w.status().Moat.Dropped[event.BadTag]; n < 1000 {
		t.Skipf("this machine is too slow for a flood: only %d packets were dropped", n)
	}
}

// invented is a source of the attacker's invention, of the family of an address.
func invented(family netip.Addr) netip.Addr {
	var random [8]byte
	_, _ = rand.Read(random[:])
	if family.Is4() {
		return netip.AddrFrom4([4]byte{198, 18, random[0], random[1]})
	}
	a := netip.MustParseAddr("2001:db8:bad::").As16()
	copy(a[8:], random[:])
	return netip.AddrFrom16(a)
}

func (w *world) reaches(h *lab.Host, gate netip.Addr) {
	w.t.Helper()
	w.becomes(h, "tcp", netip.AddrPortFrom(gate, 9), lab.Refused)
}

// unreachables is how often the gate has said that something cannot be reached.
func (w *world) unreachables() (n int) {
	w.t.Helper()
	err := w.Gate.Do(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return err
		}
		var names []string
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if fields[0] == "Icmp:" && names == nil {
				names = fields
			} else if fields[0] == "Icmp:" {
				n, err = strconv.Atoi(fields[slices.Index(names, "OutDestUnreachs")])
			}
		}
		text6, err6 := os.ReadFile("/proc/thread-self/net/snmp6")
		for line := range strings.Lines(string(text6)) {
			if fields := strings.Fields(line); fields[0] == "Icmp6OutDestUnreachs" {
				var more int
				more, err6 = strconv.Atoi(fields[1])
				n += more
			}
		}
		if err == nil {
			err = err6
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}
