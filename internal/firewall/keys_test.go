//go:build linux

package firewall

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"

	"sallyport/internal/packet"
)

func TestKeys(t *testing.T) {
	a4, a6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	ssh, dns := ports("tcp/22")[0], ports("udp/53")[0]
	for _, c := range []struct {
		name string
		key  []byte
		want string
	}{
		{"port", portKey(ssh), "06000000" + "00160000"},
		{"grant", addressPortKey(a4, dns), "c0000201" + "11000000" + "00350000"},
		{"grant, IPv6", addressPortKey(a6, ssh), "20010db8000000000000000000000001" + "06000000" + "00160000"},
		{"single grant", singleKey(a4, ssh), "c0000201" + "00160000"},
		{"interface", interfaceKey("eth0"), "65746830" + strings.Repeat("00", 12)},
		{"session", session{local: at(a4, 22), peer: at(netip.MustParseAddr("198.51.100.2"), 40000)}.key(), "c6336402" + "9c400000" + "c0000201" + "00160000"},
	} {
		if got := hex.EncodeToString(c.key); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestOutermost(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"10.0.0.0/8", "10.0.0.0/8"},
		{"10.1.0.0/16 10.0.0.0/8 10.2.3.4/32", "10.0.0.0/8"},
		{"10.0.0.0/9 10.128.0.0/9", "10.0.0.0/9 10.128.0.0/9"},
		{"2001:db8::/32 10.0.0.0/8 2001:db8:1::/48", "10.0.0.0/8 2001:db8::/32"},
		{"10.0.0.0/8 10.0.0.0/8", "10.0.0.0/8"},
		{"10.9.9.9/8", "10.0.0.0/8"},
	} {
		got := outermost(prefixes(strings.Fields(c.in)...))
		if want := prefixes(strings.Fields(c.want)...); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.in, got, want)
		}
	}
}

func TestIntervalEndsAfterItsPrefix(t *testing.T) {
	for _, c := range []struct{ in, begin, end string }{
		{"10.0.0.0/8", "10.0.0.0", "11.0.0.0"},
		{"192.0.2.7/32", "192.0.2.7", "192.0.2.8"},
		{"255.255.255.0/24", "255.255.255.0", ""}, // nothing follows
		{"2001:db8::/32", "2001:db8::", "2001:db9::"},
		{"ff00::/8", "ff00::", ""},
	} {
		got := interval(netip.MustParsePrefix(c.in))
		want := []nftables.SetElement{{Key: netip.MustParseAddr(c.begin).AsSlice()}}
		if c.end != "" {
			want = append(want, nftables.SetElement{Key: netip.MustParseAddr(c.end).AsSlice(), IntervalEnd: true})
		}
		if len(got) != len(want) || !slices.EqualFunc(got, want, func(a, b nftables.SetElement) bool {
			return slices.Equal(a.Key, b.Key) && a.IntervalEnd == b.IntervalEnd
		}) {
			t.Errorf("%s: %v, want %v", c.in, got, want)
		}
	}
}

// What a set holds is ours only if we would have written it.
func FuzzEntry(f *testing.F) {
	single := newSets(&nftables.Table{}).single[packet.UDP][0]
	granted := newSets(&nftables.Table{}).granted[1]
	f.Add(addressPortKey(netip.MustParseAddr("2001:db8::1"), packet.Port{Proto: packet.TCP, Number: 22}), "ssh alice")
	f.Add(singleKey(netip.MustParseAddr("192.0.2.1"), packet.Port{Proto: packet.UDP, Number: 53}), "dns")
	f.Add([]byte{}, "")
	f.Add([]byte{1, 2, 3, 4, 17, 1, 0, 0, 0, 53, 0, 0}, "ssh  alice")
	f.Add([]byte{1, 2, 3, 4, 0, 53, 0, 1}, "ssh ")
	f.Fuzz(func(t *testing.T, key []byte, text string) {
		for s, protocol := range map[*nftables.Set]packet.Proto{granted: 0, single: packet.UDP} {
			element := nftables.SetElement{Key: key, Comment: text, Expires: time.Second}
			e, ok := parseEntry(s, protocol, element)
			if !ok {
				continue
			}
			if again := e.full(); string(again.Key) != string(key) || again.Comment != text {
				t.Errorf("%x %q was read as %+v, which is %x %q", key, text, e, again.Key, again.Comment)
			}
		}
	})
}

func FuzzSession(f *testing.F) {
	known := session{local: netip.MustParseAddrPort("192.0.2.1:22"), peer: netip.MustParseAddrPort("192.0.2.2:40000")}
	f.Add(known.key())
	f.Add(session{local: netip.MustParseAddrPort("[2001:db8::1]:22"), peer: netip.MustParseAddrPort("[2001:db8::2]:40000")}.key())
	f.Add(make([]byte, diagMessageLen))
	f.Add([]byte{10, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := parseSessionKey(b); ok && string(s.key()) != string(b) {
			t.Errorf("%x was read as %v, which is %x", b, s, s.key())
		}
		if s, ok := parseSession(b); ok {
			if again, ok := parseSessionKey(s.key()); !ok || again != s {
				t.Errorf("%v was read back as %v, %t", s, again, ok)
			}
		}
	})
}
