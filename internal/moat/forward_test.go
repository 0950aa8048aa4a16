//go:build linux

package moat

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
)

// everywhere is the policy for a lab with a host behind the gate.
var everywhere = []string{toClient, "to-inside"}

// What the gate forwards and what it receives itself stays whole: large frames,
// which the driver hands over in several pieces, segments that were put together
// (GRO), and datagrams to the SPA port of other hosts.
func TestTrafficStaysWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		mtu     int
		generic bool
	}{
		{"native", 1500, false},
		{"native, jumbo frames", 9000, false},
		{"generic", 1500, true},
		{"generic, jumbo frames", 9000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGuard(t, lab.Options{Inside: true, MTU: c.mtu})
			want := Native
			if c.generic {
				want = Generic
			}
			for _, a := range g.sync(Policy{Interfaces: everywhere, Native: !c.generic, Generic: c.generic}) {
				if a.Mode != want {
					t.Fatalf("%+v, want %s", a, want)
				}
			}
			g.drops()
			for name, to := range map[string]*lab.Host{"gate": g.Gate, "host behind it": g.Inside} {
				for _, at := range []netip.Addr{to.IP4, to.IP6} {
					if err := g.stream(to, at); err != nil {
						t.Errorf("a stream to the %s at %s: %v", name, at, err)
					}
				}
			}
			for _, at := range []netip.Addr{g.Inside.IP4, g.Inside.IP6} {
				for _, size := range []int{hybrid, c.mtu - 60} {
					if err := g.forwarded(at, size); err != nil {
						t.Errorf("datagrams of %d bytes to %s: %v", size, at, err)
					}
				}
			}
		})
	}
}

// stream sends some megabytes from the client and compares what arrives.
func (g *guard) stream(to *lab.Host, at netip.Addr) error {
	ln, err := to.Listen("tcp", netip.AddrPortFrom(at, 5000).String())
	if err != nil {
		return err
	}
	defer ln.Close()
	sent := make([]byte, 4<<20)
	_, _ = rand.Read(sent)
	arrived, failed := make(chan []byte, 1), make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			failed <- err
			return
		}
		defer conn.Close()
		got, err := io.ReadAll(conn)
		failed <- err
		arrived <- got
	}()
	conn, err := g.Client.Dial(g.t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		return err
	}
	_, err = conn.Write(sent)
	if err := errors.Join(err, conn.Close(), <-failed); err != nil {
		return err
	}
	if !bytes.Equal(<-arrived, sent) {
		return errors.New("what arrives is not what was sent")
	}
	return nil
}

// forwarded sends datagrams to the SPA port of another host, one by one.
func (g *guard) forwarded(at netip.Addr, size int) error {
	there, err := g.Inside.ListenPacket("udp", netip.AddrPortFrom(at, spaPort).String())
	if err != nil {
		return err
	}
	defer there.Close()
	conn, err := g.Client.Dial(g.t.Context(), "udp", there.LocalAddr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	sent, got := make([]byte, size), make([]byte, 10_000)
	for range 20 {
		_, _ = rand.Read(sent)
		if _, err := conn.Write(sent); err != nil {
			return err
		}
		if err := there.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			return err
		}
		n, _, err := there.ReadFrom(got)
		if err != nil {
			return err
		}
		if !bytes.Equal(got[:n], sent) {
			return errors.New("it has changed")
		}
	}
	return nil
}

// Junk in a VLAN is dropped at the interface that carries it, in each mode.
func TestTaggedFrames(t *testing.T) {
	t.Parallel()
	g := newGuard(t, lab.Options{})
	for _, c := range []struct {
		mode string
		tags []uint16
	}{
		{Native, []uint16{0x8100}},
		{Native, []uint16{0x88a8, 0x8100}},
		{Generic, []uint16{0x8100}},
		{Generic, []uint16{0x88a8, 0x8100}},
	} {
		g.sync(Policy{Interfaces: []string{toClient}, Native: c.mode == Native, Generic: c.mode == Generic})
		junk := message(g.Client.IP4, g.Gate.IP4, g.datagram(hybrid, 0, false))
		junk.vlans = c.tags
		before := g.counters().WrongTag
		g.until("dropping junk in a VLAN", func() bool {
			g.inject(slices.Repeat([][]byte{junk.bytes()}, 20)...)
			return g.counters().WrongTag > before
		})
		g.reaches()
	}
}

// inject sends Ethernet frames from the client.
func (g *guard) inject(frames ...[]byte) {
	g.t.Helper()
	err := g.Client.Do(func() error {
		dev, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, raw := range frames {
			err = errors.Join(err, unix.Sendto(fd, raw, 0, &unix.SockaddrLinklayer{Ifindex: dev.Attrs().Index}))
		}
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

// Only where no packet passes by does the program know of all contacts.
func TestCovers(t *testing.T) {
	t.Parallel()
	g := newGuard(t, lab.Options{})
	g.sync(Policy{Interfaces: []string{toClient}, Native: true})
	if g.Covers() {
		t.Error("what comes from the attacker is not seen")
	}
	g.sync(Policy{Interfaces: []string{toClient, "to-attacker"}})
	if !g.Covers() {
		t.Errorf("something is not covered: %+v", g.Attachments())
	}
	g.sync(Policy{Off: true})
	if g.Covers() || len(g.Attachments()) != 0 {
		t.Errorf("switched off: %+v", g.Attachments())
	}
}
