package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// Greet runs a TCP service on this host: anyone who connects gets Greeting and
// then hears back what he says. It ends with Close, or with the lab; open
// connections end with it. An unspecified IPv6 address serves IPv4 too.
func (h *Host) Greet(at netip.AddrPort) (io.Closer, error) {
	ln, err := h.Listen("tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("greet on host %q: %w", h.Name, err)
	}
	s := &greeter{ln: ln, line: h.Greeting(), conns: map[net.Conn]bool{}}
	s.wg.Go(s.serve)
	h.lab.onClose(s)
	return s, nil
}

// Greeting is the line that the Greet service of this host begins with.
func (h *Host) Greeting() string { return "hello from " + h.Name + "\n" }

// Echo runs a UDP service on this host that sends every datagram back. It
// ends with Close, or with the lab.
func (h *Host) Echo(at netip.AddrPort) (io.Closer, error) {
	s, err := h.newEcho(at)
	if err != nil {
		return nil, fmt.Errorf("echo on host %q: %w", h.Name, err)
	}
	s.wg.Go(s.serve)
	h.lab.onClose(s)
	return s, nil
}

type greeter struct {
	ln   net.Listener
	line string
	wg   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

func (s *greeter) serve() {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		if !s.add(conn) {
			conn.Close()
			return
		}
		s.wg.Go(func() {
			defer s.remove(conn)
			if _, err := io.WriteString(conn, s.line); err == nil {
				_, _ = io.Copy(conn, conn) // ends when either side hangs up
			}
		})
	}
}

func (s *greeter) add(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conns[conn] = true
	}
	return !s.closed
}

func (s *greeter) remove(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	conn.Close()
}

// Close may be called again.
func (s *greeter) Close() error {
	s.mu.Lock()
	var err error
	if !s.closed {
		s.closed = true
		err = s.ln.Close()
	}
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

type echo struct {
	conn *net.UDPConn
	wg   sync.WaitGroup
	once sync.Once
}

func (h *Host) newEcho(at netip.AddrPort) (*echo, error) {
	conn, err := h.ListenPacket("udp", at.String())
	if err != nil {
		return nil, err
	}
	s := &echo{conn: conn.(*net.UDPConn)}
	if err := tellDestination(s.conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// serve answers from the address that was asked: the gate has several, and
// the kernel would pick the one nearest to the asker. The control message
// that tells the address on receipt sets it when sent back.
func (s *echo) serve() {
	buf, control := make([]byte, 1<<16), make([]byte, 128)
	for {
		n, nc, _, from, err := s.conn.ReadMsgUDPAddrPort(buf, control)
		if err != nil {
			return
		}
		// An answer that cannot be sent is lost, as datagrams are.
		_, _, _ = s.conn.WriteMsgUDPAddrPort(buf[:n], control[:nc], from)
	}
}

// tellDestination has the kernel tell each datagram's destination address.
func tellDestination(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var err4, err6 error
	err = raw.Control(func(fd uintptr) {
		err4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		err6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
	if err == nil && err4 != nil && err6 != nil { // a socket of one family refuses the other's
		err = err6
	}
	return err
}

// Close may be called again.
func (s *echo) Close() (err error) {
	s.once.Do(func() { err = s.conn.Close() })
	s.wg.Wait()
	return err
}
