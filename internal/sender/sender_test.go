package sender

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/packet"
)

func addrs(s string) (list []netip.Addr) {
	for _, f := range strings.Fields(s) {
		list = append(list, netip.MustParseAddr(f))
	}
	return list
}

func TestOrderOfAddresses(t *testing.T) {
	for _, c := range []struct {
		found  string
		family Family
		want   string
	}{
		{"2001:db8::1 192.0.2.1", Both, "192.0.2.1 2001:db8::1"},
		{"2001:db8::1 192.0.2.1", IPv4, "192.0.2.1"},
		{"2001:db8::1 192.0.2.1", IPv6, "2001:db8::1"},
		{"192.0.2.2 192.0.2.1", Both, "192.0.2.2 192.0.2.1"},
		{"192.0.2.1 ::ffff:192.0.2.1 192.0.2.1", Both, "192.0.2.1"},
		{"::ffff:192.0.2.1", IPv6, ""},
		{"2001:db8::1", IPv4, ""},
		{"", Both, ""},
	} {
		if got := order(addrs(c.found), c.family); !slices.Equal(got, addrs(c.want)) {
			t.Errorf("%s of %q: got %v, want %s", c.family, c.found, got, c.want)
		}
	}
}

func TestWhatCannotBeSentIsSaid(t *testing.T) {
	for _, c := range []struct {
		name string
		opts Options
		want string
	}{
		{"no knocks", Options{Host: "127.0.0.1"}, "nothing to send"},
		{"port 0", Options{Host: "127.0.0.1", Sequence: []packet.Port{{Proto: packet.TCP}}}, "out of range"},
		{"no protocol", Options{Host: "127.0.0.1", Sequence: []packet.Port{{Number: 7}}}, "unknown protocol"},
		{"no host", Options{Sequence: packet.MustPorts("tcp/7")}, `"": there is no such name`},
		{"no IPv6", Options{Host: "127.0.0.1", Sequence: packet.MustPorts("tcp/7"), Family: IPv6}, `"127.0.0.1" has no IPv6 address`},
		{"no IPv4", Options{Host: "::1", Sequence: packet.MustPorts("tcp/7"), Family: IPv4}, `"::1" has no IPv4 address`},
		{"octal address", Options{Host: "010.001.001.001", Sequence: packet.MustPorts("tcp/7")}, `"010.001.001.001": not an address`},
		{"hexadecimal address", Options{Host: "0x7F000001", Sequence: packet.MustPorts("tcp/7")}, "not an address"},
		{"number", Options{Host: "2130706433", Sequence: packet.MustPorts("tcp/7")}, "not an address"},
		{"long number", Options{Host: "99999999999999999999999", Sequence: packet.MustPorts("tcp/7")}, "not an address"},
		{"address with a port", Options{Host: "127.0.0.1:7", Sequence: packet.MustPorts("tcp/7")}, `find the address of "127.0.0.1:7"`},
		{"no zone", Options{Host: "fe80::1", Sequence: packet.MustPorts("tcp/7")}, "write fe80::1%eth0"},
		{"unknown zone", Options{Host: "fe80::1%nosuch", Sequence: packet.MustPorts("tcp/7")}, "zone of fe80::1%nosuch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			attempts, err := Send(t.Context(), c.opts)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			for _, a := range attempts {
				if len(a.Sent) != 0 || a.Problem == "" {
					t.Errorf("reported as sent: %+v", a)
				}
			}
		})
	}
}

// Each datagram arrives once, and has one byte. Their order on the wire is looked
// at by TestOnePacketForEachKnock: sockets are read in any order.
func TestDatagramsArriveOnce(t *testing.T) {
	const n = 20
	heard := make(chan uint16, 2*n)
	var sequence []packet.Port
	for range n {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		port := conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		sequence = append(sequence, packet.Port{Proto: packet.UDP, Number: port})
		go func() {
			for {
				size, err := conn.Read(make([]byte, 10))
				if err != nil {
					return
				}
				if size != 1 {
					t.Errorf("a datagram of %d bytes", size)
				}
				heard <- port
			}
		}()
	}
	sent, err := Send(t.Context(), Options{Host: "127.0.0.1", Sequence: sequence, Gap: 2 * time.Millisecond})
	if err != nil || len(sent) != 1 || !slices.Equal(sent[0].Sent, sequence) || sent[0].Problem != "" {
		t.Fatalf("got %+v, %v", sent, err)
	}
	missing := make(map[uint16]bool)
	for _, p := range sequence {
		missing[p.Number] = true
	}
	for range sequence {
		select {
		case got := <-heard:
			if !missing[got] {
				t.Errorf("heard %d twice", got)
			}
			delete(missing, got)
		case <-time.After(5 * time.Second):
			t.Fatalf("never arrived: %v", missing)
		}
	}
	if len(heard) > 0 {
		t.Errorf("%d more", len(heard))
	}
}

func TestGap(t *testing.T) {
	const gap = 20 * time.Millisecond
	start := time.Now()
	if _, err := Send(t.Context(), Options{Host: "127.0.0.1", Sequence: packet.MustPorts("udp/9 udp/9 udp/9"), Gap: gap}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 2*gap {
		t.Errorf("three knocks took %v, want at least two gaps of %v", took, gap)
	}
}

func TestCancelledBetweenKnocks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	sent, err := Send(ctx, Options{Host: "127.0.0.1", Sequence: packet.MustPorts("udp/9 udp/9"), Gap: time.Hour})
	if err != context.DeadlineExceeded || len(sent) != 1 || len(sent[0].Sent) != 1 || sent[0].Problem == "" {
		t.Errorf("got %+v, %v", sent, err)
	}
}
