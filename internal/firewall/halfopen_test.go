//go:build linux

package firewall

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/packet"
)

// handshake is one that is made by hand, by someone who shares the address of the
// client: its kernel is kept from answering.
type handshake struct {
	w      *world
	raw    net.Conn
	source netip.Addr
	to     netip.AddrPort
	port   uint16
	answer uint32 // the number that the service has begun with
}

func (w *world) byHand(to netip.AddrPort, port uint16) *handshake {
	w.t.Helper()
	h := &handshake{w: w, source: w.Client.IP4, to: to, port: port}
	network := "ip4:tcp"
	if to.Addr().Is6() {
		h.source, network = w.Client.IP6, "ip6:tcp"
	}
	w.nftOn(w.Client, fmt.Sprintf("table inet mute%d { chain out { type filter hook output priority 0; tcp sport %d tcp flags & rst == rst drop; }; }", port, port))
	raw, err := w.Client.Dial(context.Background(), network, to.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { raw.Close() })
	h.raw = raw
	return h
}

const firstNumber = 0x01020304

func (h *handshake) send(flags byte, number uint32, text string) {
	h.w.t.Helper()
	b := binary.BigEndian.AppendUint16(nil, h.port)
	b = binary.BigEndian.AppendUint16(b, h.to.Port())
	b = binary.BigEndian.AppendUint32(b, number)
	b = binary.BigEndian.AppendUint32(b, h.answer)
	b = append(b, 5<<4, flags, 16, 0, 0, 0, 0, 0)
	b = append(b, text...)
	checksum(b, h.source, h.to.Addr())
	if _, err := h.raw.Write(b); err != nil {
		h.w.t.Fatal(err)
	}
}

// syn sends the first packet, or a copy of it, with data or without.
func (h *handshake) syn(text string) {
	h.w.t.Helper()
	answer := h.answer
	h.answer = 0
	h.send(packet.SYN, firstNumber, text)
	h.answer = answer
}

// finish sends the end of the handshake, and the first data with it.
func (h *handshake) finish(text string) {
	h.w.t.Helper()
	h.send(packet.ACK|packet.PSH, firstNumber+1, text)
}

// hears waits for a packet of the service with a flag, and reports whether it came.
func (h *handshake) hears(flag byte, wait time.Duration) bool {
	h.w.t.Helper()
	h.w.do(func() error { return h.raw.SetReadDeadline(time.Now().Add(wait)) })
	b := make([]byte, 2000)
	for {
		n, err := h.raw.Read(b)
		if err != nil {
			return false
		}
		segment := b[:n]
		if h.source.Is4() { // with the header of IP, unlike IPv6
			segment = segment[min(n, int(b[0]&15)*4):]
		}
		if len(segment) >= 20 && binary.BigEndian.Uint16(segment[2:]) == h.port && segment[13]&flag == flag {
			h.answer = binary.BigEndian.Uint32(segment[4:]) + 1
			return true
		}
	}
}

// expires returns how long the half-open connection is remembered, as nft says it.
func (h *handshake) expires() string {
	h.w.t.Helper()
	_, rest, _ := strings.Cut(h.w.nft("list", "table", "inet", tableName), h.session())
	_, rest, _ = strings.Cut(rest, "expires ")
	return strings.TrimRight(strings.SplitN(rest, "\n", 2)[0], ", }")
}

func (h *handshake) session() string {
	return fmt.Sprintf("%s . %d . %s . %d", h.source, h.port, h.to.Addr(), h.to.Port())
}

// Who shares the client's address and begins a connection while the grant is
// there, cannot keep it waiting with copies of its first packet until the grant's
// connection is long under way: what has no grant any more is answered no more,
// and what has one is remembered.
func TestCopiesOfAFirstPacketOutwaitNoGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.f = w.newFirewall(Options{Unowned: true})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	for _, to := range []netip.AddrPort{at(w.Client.Gate4, 22), at(w.Client.Gate6, 22)} {
		w.closed(w.Client, "tcp", to)
		w.once("ssh", to)
		other := w.byHand(to, 50_000+uint16(len(to.String())))
		other.syn("")
		if !other.hears(packet.SYN|packet.ACK, patience) {
			t.Fatalf("%s: the service does not answer", to)
		}
		set := "halfopen4"
		if to.Addr().Is6() {
			set = "halfopen6"
		}
		w.nft(fmt.Sprintf("delete element inet %[1]s %[2]s { %[3]s }; add element inet %[1]s %[2]s { %[3]s timeout 5m expires 1m }", tableName, set, other.session()))
		other.syn("")
		w.eventually("a copy is remembered", func() bool { return strings.HasPrefix(other.expires(), "4m5") })
		s := w.connect(w.Client, to)
		other.finish("let me in\n")
		if other.hears(packet.PSH, 2*silence) {
			t.Errorf("%s: a second connection got in", to)
		}
		w.eventually("a copy is refused", func() bool {
			for other.hears(packet.SYN|packet.ACK, time.Millisecond) { // what the service repeats by itself
			}
			before, err := w.f.Counters()
			other.syn("")
			after, again := w.f.Counters()
			return err == nil && again == nil && after.Total > before.Total
		})
		w.lives(s, "beside one that waited")
	}
}
