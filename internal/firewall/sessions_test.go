//go:build linux

package firewall

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/packet"
)

// Connection tracking sleeps until the table is there, so a session from
// before is mid-stream to it.
func TestSessionsGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	sessions := []*dialogue{
		w.connect(w.Client, at(w.Client.Gate4, 22)), // an IPv4-mapped socket on the gate
		w.connect(w.Client, at(w.Client.Gate6, 22)),
		w.connect(w.Client, at(w.Client.Gate4, 80)),
		w.connect(w.Client, at(w.Client.Gate6, 80)),
	}
	live := func(when string) {
		t.Helper()
		for _, s := range sessions {
			w.lives(s, when)
		}
	}
	ssh, web := doorTo("ssh", "tcp/22"), doorTo("web", "tcp/80")
	w.apply(guarding(ssh)) // those to 80 stay idle
	for _, s := range sessions[:2] {
		w.lives(s, "after the first Apply")
	}
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.apply(guarding(ssh, web))
	live("after a new door")
	rejecting := guarding(ssh, web)
	rejecting.Gate.Closed = config.ClosedReject
	w.apply(rejecting)
	live("after a reload")
	all := guarding(ssh, web)
	all.Gate.Policy = config.PolicyAll
	w.apply(all)
	live("with policy all")
	w.grant("ssh", w.Client, time.Second)
	sessions = append(sessions, w.connect(w.Client, at(w.Client.Gate4, 22)))
	w.closes(w.Client, "tcp", at(w.Client.Gate4, 22))
	live("after a grant has ended")
	w.do(w.f.Close)
	w.f = w.newFirewall(Options{})
	w.apply(all)
	live("after a restart")
	w.do(w.f.Down)
	live("after down")
	w.apply(all)
	live("after the table was installed again")
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
}

// A connection that was made after the sessions had been listed and before the
// table was there.
func TestLateSessionGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	s := w.connect(w.Client, at(w.Client.Gate4, 22))
	w.f = w.newFirewall(Options{Unowned: true})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	w.nft("flush", "set", "inet", tableName, "midstream4")
	w.f.midstream = nil
	w.do(func() error {
		return w.Gate.Do(func() error { w.f.addLateSessions(w.f.applied.closes); return nil })
	})
	w.lives(s, "after a second look")
}

// A session that says nothing until its table was removed and put back.
func TestIdleSessionOutlivesFlushedTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	s := w.connect(w.Client, at(w.Client.Gate4, 22))
	w.f = w.newFirewall(Options{Unowned: true})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	w.apply(cfg)
	w.do(w.f.Close)
	w.f = w.newFirewall(Options{Unowned: true})
	w.apply(cfg)
	w.nft("flush", "ruleset")
	w.apply(cfg)
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
	w.lives(s, "after the table came back")
}

// The host's own connections to elsewhere: with policy "all" their answers come
// to ports that are closed, and the other side may speak first.
func TestOutgoingSessionsGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	server, err := w.Client.Listen("tcp", ":25")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, to := range []netip.Addr{w.Client.IP4, w.Client.IP6} {
		out, err := w.Gate.Dial(t.Context(), "tcp", at(to, 25).String())
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		in, err := server.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		cfg := guarding()
		cfg.Gate.Policy = config.PolicyAll
		w.apply(cfg)
		if _, err := in.Write([]byte("you have mail\n")); err != nil {
			t.Fatal(err)
		}
		w.do(func() error { return out.SetReadDeadline(time.Now().Add(patience)) })
		if _, err := out.Read(make([]byte, 64)); err != nil {
			t.Errorf("%s: the session is cut: %v", to, err)
		}
		w.do(w.f.Down)
	}
}

func TestThousandSessionsAreFound(t *testing.T) {
	w := newWorld(t, lab.Options{})
	const n = 1500
	var want []session
	w.do(func() error {
		return w.Client.Do(func() error {
			for i := range n {
				to := at(w.Client.Gate4, 22)
				if i%2 == 0 {
					to = at(w.Client.Gate6, 22)
				}
				conn, err := net.Dial("tcp", to.String())
				if err != nil {
					return err
				}
				defer conn.Close()
				if _, err := conn.Read(make([]byte, 1)); err != nil { // accepted
					return err
				}
				peer := conn.LocalAddr().(*net.TCPAddr).AddrPort()
				want = append(want, session{local: to, peer: netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())})
			}
			return w.Gate.Do(func() error {
				got, err := readSessions(func(p packet.Port) bool { return p.Number == 22 })
				if len(got) != n {
					t.Errorf("%d sessions, want %d", len(got), n)
				}
				for _, s := range want {
					if !slices.Contains(got, s) {
						return fmt.Errorf("%v is missing", s)
					}
				}
				none, err2 := readSessions(func(p packet.Port) bool { return p.Number == 80 })
				if len(none) != 0 || err2 != nil {
					t.Errorf("%d sessions with another port, %v", len(none), err2)
				}
				return err
			})
		})
	})
}

// A packet that may belong to a session, but that connection tracking finds
// invalid, is never answered with a reset.
func TestRejectResetsNoSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	cfg.Gate.Closed = config.ClosedReject
	w.apply(cfg)
	w.grant("ssh", w.Client, time.Hour)
	s := w.connect(w.Client, at(w.Client.Gate4, 22))
	w.do(func() error { return w.f.Revoke(event.Grant{Source: w.Client.IP4, Door: "ssh"}) })
	local := s.LocalAddr().(*net.TCPAddr)
	w.nftOn(w.Client, "table inet count { counter resets {}; chain in { type filter hook input priority 0; tcp flags rst counter name resets; }; }")
	raw, err := w.Client.Dial(t.Context(), "ip4:tcp", w.Client.Gate4.String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	send := func(flags byte, sourcePort int) {
		t.Helper()
		segment := []byte{byte(sourcePort >> 8), byte(sourcePort), 0, 22, 1, 2, 3, 4, 5, 6, 7, 8, 5 << 4, flags, 16, 0, 0, 0, 0, 0}
		checksum(segment, w.Client.IP4, w.Client.Gate4)
		if _, err := raw.Write(segment); err != nil {
			t.Fatal(err)
		}
	}
	refused := func() uint64 {
		c, err := w.f.Counters()
		if err != nil {
			t.Fatal(err)
		}
		return c.Total
	}
	before := refused()
	// Whether a plain ACK is out of the window depends on chance; these flags
	// are invalid to connection tracking in any case.
	send(tcpACK|tcpSYN|1<<0, local.Port)
	w.eventually("the packet is refused", func() bool { return refused() > before })
	before = refused()
	send(1<<2, 9) // a reset is never answered
	w.eventually("the reset is refused", func() bool { return refused() > before })
	w.lives(s, "after an invalid packet")
	if list := w.nftOn(w.Client, "list", "counter", "inet", "count", "resets"); !strings.Contains(list, "packets 0 ") {
		t.Errorf("a reset was sent: %s", list)
	}
	send(tcpACK, 9) // no session: a closed port answers, and so do we
	w.eventually("the answer arrives", func() bool {
		return strings.Contains(w.nftOn(w.Client, "list", "counter", "inet", "count", "resets"), "packets 1 ")
	})
}

// checksum fills in the checksum of a TCP segment (RFC 9293, 3.1; RFC 8200, 8.1).
func checksum(segment []byte, from, to netip.Addr) {
	pseudo := slices.Concat(from.AsSlice(), to.AsSlice(), []byte{0, unix.IPPROTO_TCP, 0, byte(len(segment))}, segment)
	sum := uint32(0)
	for i := 0; i < len(pseudo); i += 2 {
		sum += uint32(pseudo[i])<<8 | uint32(pseudo[i+1])
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(segment[16:], ^uint16(sum))
}
