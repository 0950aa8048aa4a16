//go:build linux && !client_only

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
	"sallyport/internal/stun/stuntest"
)

// wire is what arrives at a host from others, but for mDNS.
type wire struct {
	mu   sync.Mutex
	list []datagram
}

// datagram is an IPv4 packet.
type datagram struct {
	protocol byte
	from, to netip.AddrPort
	flags    byte   // of TCP
	payload  []byte // of UDP
}

func (w *world) listenIn(h *lab.Host) *wire {
	w.t.Helper()
	seen, line := w.sniff(h), new(wire)
	go func() {
		for {
			select {
			case raw := <-seen:
				line.add(raw)
			case <-w.t.Context().Done():
				return
			}
		}
	}()
	return line
}

func (l *wire) add(raw []byte) {
	head := int(raw[0]&15) * 4
	if raw[0]>>4 != 4 || len(raw) < head+20 {
		return
	}
	d := datagram{protocol: raw[9], payload: raw[head+8:], flags: raw[head+13]}
	d.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[12:])), binary.BigEndian.Uint16(raw[head:]))
	d.to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[16:])), binary.BigEndian.Uint16(raw[head+2:]))
	if d.to.Addr().IsMulticast() || d.to.Addr().IsLoopback() { // of the test itself
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, d)
}

// take returns what has come since the last time.
func (l *wire) take() (list []datagram) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, l.list = l.list, nil
	return list
}

// String says of a packet what an eavesdropper on the way can see.
func (d datagram) String() string {
	switch {
	case d.protocol == unix.IPPROTO_TCP:
		return fmt.Sprintf("tcp %v flags %#02x", d.to.Port(), d.flags)
	case len(d.payload) < 20 || binary.BigEndian.Uint32(d.payload[4:]) != 0x2112A442:
		return fmt.Sprintf("udp %v, %d bytes", d.to.Port(), len(d.payload))
	}
	var attributes []string
	for b := d.payload[20:]; len(b) >= 4; {
		size := int(binary.BigEndian.Uint16(b[2:]))
		attributes = append(attributes, fmt.Sprintf("%#04x (%d)", binary.BigEndian.Uint16(b), size))
		b = b[min(len(b), 4+(size+3)&^3):]
	}
	return fmt.Sprintf("udp %v, STUN %#04x, %d bytes: %s", d.to.Port(), binary.BigEndian.Uint16(d.payload), len(d.payload), strings.Join(attributes, ", "))
}

// What an observer sees of a page's knocks: by a message one kind of request, one
// answer and nothing else; by a sequence as many SYNs as it has knocks, which are answered
// as at every closed port.
// A copy of the message from elsewhere opens nothing, and is reported once.
func TestPageOnTheWire(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		w := p.w
		p.do(p.Open(p.url))
		p.enrol("phone")
		sent, heard := w.listenIn(w.Gate), w.listenIn(w.Client)
		p.tap("ssh", "open")
		requests, answers := ofUDP(sent.take()), ofUDP(heard.take())
		for _, d := range append(requests[:1:1], answers...) {
			t.Logf("%s, message: %v", p.kind, d)
		}
		for _, d := range requests {
			if len(d.payload) != 284 || d.to.Port() != spaPort || d.from.Port() != requests[0].from.Port() {
				t.Errorf("the page has sent %v", d)
			}
		}
		if len(answers) < 1 || len(answers) > len(requests) || len(answers[0].payload) != 64 {
			t.Errorf("%d requests, %d answers", len(requests), len(answers))
		}
		t.Logf("%s, message: %d requests in all, %d answers", p.kind, len(requests), len(answers))

		overheard := w.listenIn(w.Attacker)
		for i := range 2 { // an observer who sends what he has recorded
			w.send(w.Attacker, w.Attacker.Gate4, requests[0].payload)
			w.eventually("the copy is refused", func() bool { return w.refusals() == uint64(i+1) })
		}
		if n := w.status().Refusals["roamed"]; n != 1 {
			t.Errorf("it is reported %d times: %v", n, w.status().Refusals)
		}
		w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
		w.closed(w.Client, "tcp", at(w.Client, 22)) // nobody can know whose it was
		if list := ofUDP(overheard.take()); len(list) > 0 {
			t.Errorf("a copy is answered: %v", list)
		}

		p.add(p.link("bob"))
		sent.take()
		heard.take()
		p.tap("ssh", "sent")
		knocks, syn, reset := 0, byte(0x02), byte(0x14)
		for _, d := range sent.take() {
			if d.to.Port() < 1024 { // the browser's own, on its way to its maker
				continue
			}
			t.Logf("%s, sequence: %v", p.kind, d)
			if knocks++; d.protocol != unix.IPPROTO_TCP || d.flags != syn {
				t.Errorf("the page has sent %v", d)
			}
		}
		if knocks != 5 {
			t.Errorf("%d knocks", knocks)
		}
		for _, d := range heard.take() {
			if d.protocol == unix.IPPROTO_UDP || d.protocol == unix.IPPROTO_TCP && d.flags != reset {
				t.Errorf("what no closed port answers: %v", d)
			}
		}
		w.open(w.Client, "tcp", at(w.Client, 22))
	})
}

func ofUDP(list []datagram) (out []datagram) {
	for _, d := range list {
		if d.protocol == unix.IPPROTO_UDP && d.to.Port() >= 1024 { // below is the browser's own
			out = append(out, d)
		}
	}
	return out
}

// Who is not enrolled hears nothing: no page, and no browser that asks the gate as a
// STUN server. Of a gate that is silent the page says so after three seconds.
func TestPageUnanswered(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		w := p.w
		p.do(p.Open(p.url))
		p.enrol("phone")
		w.must(w.Gate, "client", "remove", "phone", "-c", w.config)
		sent, heard := w.listenIn(w.Gate), w.listenIn(w.Client)
		p.do(p.Eval(fmt.Sprintf(`(() => { const pc = new RTCPeerConnection({ iceServers: [{ urls: 'stun:%s:%d' }] });
			pc.createDataChannel(''); pc.setLocalDescription(); })()`, w.Client.Gate4, spaPort), new(any)))
		w.send(w.Client, w.Client.Gate4, stuntest.Chromium.Text("abcd", "0123456789012345678901"))
		before := time.Now()
		p.do(p.Click("[data-door=ssh] button.main"))
		p.do(p.Wait("/still knocking/.test(document.querySelector('[data-door=ssh]').innerText)"))
		if waited := time.Since(before); waited < 2900*time.Millisecond {
			t.Errorf("it says so after %v", waited)
		}
		p.do(p.Wait("document.querySelector('[data-door=ssh] .fault')"))
		if said := p.Text("[data-door=ssh]"); !strings.Contains(said, "No answer. The clock of this device says") {
			t.Errorf("the page says %q", said)
		}
		short := 0
		for _, d := range ofUDP(sent.take()) {
			if len(d.payload) < 268 {
				short++
			}
		}
		if short < 2 {
			t.Errorf("%d requests of strangers have arrived", short)
		}
		if list := ofUDP(heard.take()); len(list) > 0 {
			t.Errorf("a stranger is answered: %v", list)
		}
		w.closed(w.Client, "tcp", at(w.Client, 22))
	})
}
