package observe

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/packet"
)

var (
	start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	ssh   = packet.Port{Proto: packet.TCP, Number: 22}
	web   = packet.Port{Proto: packet.TCP, Number: 443}
	nas   = packet.Port{Proto: packet.TCP, Number: 445}
)

func addr(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

func listening() *Record {
	r := new(Record)
	r.Listen(ssh, "ssh")
	r.Listen(web, "web")
	r.Listen(nas, "nas")
	return r
}

func TestAdvice(t *testing.T) {
	r := listening()
	home, office := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8:1:2::9")
	r.Connection(start, home, ssh)
	r.Connection(start, home, ssh)
	r.Connection(start, office, ssh)
	r.Connection(start, netip.MustParseAddr("2001:db8:1:2::a"), ssh) // the same network
	for i := range uint32(few + 1) {
		r.Connection(start, addr(1<<24+i), web)
	}
	r.Connection(start, home, packet.Port{Proto: packet.TCP, Number: 9}) // nothing listens
	a := r.Advise()
	names := func(list []*Port) (s []string) {
		for _, p := range list {
			s = append(s, p.Door)
		}
		return s
	}
	if !slices.Equal(names(a.Doors), []string{"ssh", "nas"}) || !slices.Equal(names(a.Unused), []string{"nas"}) || !slices.Equal(names(a.Public), []string{"web"}) {
		t.Errorf("doors %q, unused %q, public %q", names(a.Doors), names(a.Unused), names(a.Public))
	}
	if len(a.Shut) != 2 || a.Shut[0].Source != "2001:db8:1:2::/64" || a.Shut[1].Source != "203.0.113.7" || a.Shut[1].Connections != 2 || !slices.Equal(a.Shut[1].Doors, []string{"ssh"}) {
		t.Errorf("%+v", a.Shut)
	}
}

// A hundred thousand strangers who come once neither fill the memory nor push
// out who comes again and again, and the sum stays right.
func TestStrangersAreBounded(t *testing.T) {
	r := listening()
	home := netip.MustParseAddr("203.0.113.7")
	for i := range 3 {
		r.Connection(start.Add(time.Duration(i)), home, ssh)
	}
	const strangers = 100_000
	for i := range uint32(strangers) {
		r.Connection(start.Add(time.Hour+time.Duration(i)), addr(1<<24+i), ssh)
	}
	p := r.port("tcp/22")
	sum := p.Others
	for _, s := range p.Sources {
		sum += s.Connections
	}
	if len(p.Sources) != maxSources || sum != strangers+3 || p.Connections != sum {
		t.Errorf("%d sources, %d connections, %d in all", len(p.Sources), p.Connections, sum)
	}
	if !slices.ContainsFunc(p.Sources, func(s *Source) bool { return s.Prefix.Addr() == home && s.Connections == 3 }) {
		t.Error("who came three times has been pushed out")
	}
	for i := range 2 * maxPorts {
		if r.Listen(packet.Port{Proto: packet.UDP, Number: uint16(1000 + i)}, "x"+strings.Repeat("y", 31)) != (i < maxPorts-3) {
			t.Fatalf("port %d", i)
		}
	}
	for _, p := range r.Ports { // the largest there can be
		port, _ := packet.ParsePort(p.Port)
		for i := range uint32(2 * maxSources) {
			var b [16]byte
			binary.BigEndian.PutUint32(b[:], 0x20010db8)
			binary.BigEndian.PutUint32(b[4:], 0xffff0000+i)
			r.Connection(start.Add(time.Nanosecond), netip.AddrFrom16(b), port)
		}
	}
	r.Since = start
	text, err := r.Encode()
	if err != nil || len(text) > MaxFile {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if _, err := Decode(text); err != nil {
		t.Error(err)
	}
}

func TestTwoServicesOfOneName(t *testing.T) {
	r := new(Record)
	r.Listen(web, "nginx")
	r.Listen(nas, "nginx")
	r.Listen(web, "nginx")
	if len(r.Ports) != 2 || r.Ports[1].Door != "tcp-445" {
		t.Errorf("%d ports", len(r.Ports))
	}
}

func TestBrokenRecords(t *testing.T) {
	for _, text := range []string{
		"", "x", "[]", `{"unknown":1}`, `{"ports":[null]}`, `{"ports":[{"port":"tcp/0"}]}`, `{"ports":[{"port":"tcp/022"}]}`,
		`{"ports":[{"port":"tcp/22","sources":[null]}]}`, `{"ports":[{"port":"tcp/22"},{"port":"tcp/22"}]}`, `{"watch":-1}`,
		`{"ports":[` + strings.Repeat(`{"port":"tcp/22"},`, maxPorts) + `{"port":"tcp/22"}]}`, strings.Repeat(" ", MaxFile+1),
	} {
		if r, err := Decode([]byte(text)); err == nil {
			t.Errorf("%.40q is read as %+v", text, r)
		}
	}
}
