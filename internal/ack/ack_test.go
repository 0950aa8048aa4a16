//go:build linux

package ack

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// A datagram arrives with the address and port it claims to come from, and with
// a checksum that the receiver's kernel accepts.
func TestSendFromAPortThatIsNotBound(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	var s *Sender
	if err := l.Gate.Do(func() (err error) { s, err = Open(); return err }); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct{ gate, client netip.Addr }{{l.Client.Gate4, l.Client.IP4}, {l.Client.Gate6, l.Client.IP6}} {
		for _, size := range []int{0, 1, 2, 119, 120, 1200} {
			conn, err := l.Client.ListenPacket("udp", netip.AddrPortFrom(c.client, 0).String())
			if err != nil {
				t.Fatal(err)
			}
			payload := make([]byte, size)
			for i := range payload {
				payload[i] = byte(i * 7)
			}
			to := conn.LocalAddr().(*net.UDPAddr).AddrPort()
			from := netip.AddrPortFrom(c.gate, 40321)
			if err := s.Send(from, netip.AddrPortFrom(c.client, to.Port()), payload); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 2000)
			conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			n, got, err := conn.ReadFrom(buf)
			if err != nil || string(buf[:n]) != string(payload) || got.String() != from.String() {
				t.Errorf("%d bytes from %s: got %d bytes from %v, %v", size, from, n, got, err)
			}
			conn.Close()
		}
	}
}
