package firewall

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// session is a TCP connection of this host.
type session struct{ local, peer netip.AddrPort }

// key is how its incoming packets look in midstream4 or midstream6: saddr .
// sport . daddr . dport.
func (s session) key() []byte {
	port := func(b []byte, n uint16) []byte { return append(binary.BigEndian.AppendUint16(b, n), 0, 0) }
	b := port(s.peer.Addr().AsSlice(), s.peer.Port())
	return port(append(b, s.local.Addr().AsSlice()...), s.local.Port())
}

// parseSessionKey is the inverse of key.
func parseSessionKey(b []byte) (session, bool) {
	if len(b) != 16 && len(b) != 40 {
		return session{}, false
	}
	half := len(b) / 2
	side := func(b []byte) netip.AddrPort {
		a, _ := netip.AddrFromSlice(b[:len(b)-4])
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[len(b)-4:]))
	}
	s := session{peer: side(b[:half]), local: side(b[half:])}
	return s, bytes.Equal(s.key(), b)
}

// Socket states (include/net/tcp_states.h) in which a connection carries data
// or soon will: all but SYN_SENT, TIME_WAIT, CLOSE and LISTEN.
const sessionStates = 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<8 | 1<<9 | 1<<11 | 1<<12

// Sizes of structs of include/uapi/linux/inet_diag.h.
const (
	diagRequestLen = 56 // inet_diag_req_v2
	diagMessageLen = 72 // inet_diag_msg
)

// readSessions asks the kernel for the TCP connections of this host whose
// local port is wanted, but for those over loopback.
func readSessions(wanted func(packet.Port) bool) ([]session, error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var list []session
	for _, af := range []byte{unix.AF_INET, unix.AF_INET6} {
		request := make([]byte, diagRequestLen)
		request[0], request[1] = af, unix.IPPROTO_TCP
		binary.NativeEndian.PutUint32(request[4:], sessionStates)
		// A list that changed while it was read is good enough: connections that
		// were made meanwhile are found when it is read again after the table is
		// installed.
		messages, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump},
			Data:   request,
		})
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			if s, ok := parseSession(m.Data); ok && wanted(packet.Port{Proto: packet.TCP, Number: s.local.Port()}) {
				list = append(list, s)
			}
		}
	}
	return list, nil
}

// parseSession reads one struct inet_diag_msg. IPv6 sockets speak IPv4 with
// mapped addresses.
func parseSession(b []byte) (session, bool) {
	if len(b) < diagMessageLen {
		return session{}, false
	}
	address := func(b []byte, family byte) netip.Addr {
		if family == unix.AF_INET {
			return netip.AddrFrom4([4]byte(b))
		}
		return netip.AddrFrom16([16]byte(b)).Unmap()
	}
	s := session{
		local: netip.AddrPortFrom(address(b[8:], b[0]), binary.BigEndian.Uint16(b[4:])),
		peer:  netip.AddrPortFrom(address(b[24:], b[0]), binary.BigEndian.Uint16(b[6:])),
	}
	ok := s.peer.Port() != 0 && !s.peer.Addr().IsLoopback() && s.local.Addr().Is4() == s.peer.Addr().Is4()
	return s, ok
}

// newlyClosed reports which ports a plan closes that have been open until now,
// or returns nil if there are none. A port that we closed counts as closed, even
// if someone has removed the table since: who got in then must get out again.
func (f *Firewall) newlyClosed(p *plan, was *installed) func(packet.Port) bool {
	before := f.applied
	switch {
	case before != nil && p.closesNoMoreThan(before):
		return nil
	case before != nil:
		return func(port packet.Port) bool { return p.closes(port) && !before.closes(port) }
	case was.same: // an earlier process closed the doors that are there
		return func(port packet.Port) bool { return p.closes(port) && !was.doors[port] }
	}
	return p.closes
}

// sessions lists the connections with a wanted port, and warns if it cannot.
func (f *Firewall) sessions(wanted func(packet.Port) bool) []session {
	if wanted == nil {
		return nil
	}
	list, err := readSessions(wanted)
	if err != nil {
		f.log.Warn("cannot list TCP connections: those that connection tracking has not seen yet may be cut (load the kernel module tcp_diag)", "error", err)
	}
	return list
}

// addSessions lets in the packets of connections that were made while their
// port was open, even if connection tracking knows nothing of them.
func (b *batch) addSessions(s *sets, sessions []session) {
	for i, f := range families {
		var elements []nftables.SetElement
		for _, session := range sessions {
			if session.peer.Addr().BitLen() == int(f.length)*8 {
				elements = append(elements, nftables.SetElement{Key: session.key()})
			}
		}
		b.add(s.midstream[i], elements...)
	}
}

// addLateSessions adds the connections that were made after the first look at
// them and before the table was there.
func (f *Firewall) addLateSessions(wanted func(packet.Port) bool) {
	var late []session
	for _, s := range f.sessions(wanted) {
		if _, known := f.midstream[s]; !known {
			late = append(late, s)
		}
	}
	b := f.newBatch()
	b.addSessions(f.sets, late)
	if err := b.flush(); err != nil {
		f.log.Warn("connections that began while the doors were closed may be cut", "error", err)
		return
	}
	f.remember(late)
}

// recall learns what an earlier process put there.
func (f *Firewall) recall() error {
	for _, s := range f.sets.midstream {
		elements, err := f.reader.elements(s)
		if err != nil {
			return err
		}
		for _, e := range elements {
			if known, ok := parseSessionKey(e.Key); ok {
				f.remember([]session{known})
			}
		}
	}
	return nil
}

func (f *Firewall) remember(sessions []session) {
	if f.midstream == nil {
		f.midstream = make(map[session]struct{})
	}
	for _, s := range sessions {
		f.midstream[s] = struct{}{}
	}
}
