//go:build linux

package beside

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// The ports of a gate beside another firewall, the neighbour.
const (
	door      = 22   // a door that the neighbour allows
	forgotten = 24   // a door that it does not
	public    = 80   // allowed, no door
	forbidden = 23   // neither
	published = 8080 // a door; the neighbour sends it to port 80 of a host behind it
)

const doors = `
[[door]]
name = "ssh"
ports = ["tcp/22"]
open_for = "1h"
[[door]]
name = "forgotten"
ports = ["tcp/24"]
open_for = "1h"
[[door]]
name = "web"
ports = ["tcp/8080"]
open_for = "1h"
`

// neighbour is what a test knows of another firewall.
type neighbour struct {
	name    string // as check calls it
	filters bool   // it keeps out what it does not allow
	publish bool   // it publishes a port
	six     bool   // it lets in over IPv6, too

	// behind connects from behind the gate, hidden by the neighbour; nil: nobody is there.
	behind func(to netip.AddrPort)

	upheavals []upheaval
}

// upheaval is what its administrator or its packages do to it.
type upheaval struct {
	name string
	do   func()
	off  bool // after it the neighbour guards nothing until the next one
	gap  bool // the kernel is too old to keep the gate's table meanwhile
}

// beside has grants in force while the neighbour is turned over: no door is open
// to a stranger at any time, no grant and no session is lost, and what the
// neighbour is there for still works.
func (w *world) beside(n neighbour) {
	w.t.Helper()
	w.guard(doors, "ssh", "forgotten", "web")
	w.strangers(n)
	w.Closed(w.Client, "tcp", at(w.Client, door))
	if n.filters {
		w.said(fmt.Sprintf("%s (chain", n.name))
	}
	w.sallyport(w.Client, "knock", "gate", "ssh", "forgotten", "web")
	w.friends(n)
	s, before := w.session(at(w.Client, door)), w.sources()
	for _, u := range n.upheavals {
		w.t.Run(u.name, func(t *testing.T) {
			v := *w
			v.t, v.T = t, t
			end := func() {}
			if !u.gap {
				end = v.scan()
			}
			u.do()
			end()
			if u.gap {
				v.Eventually("the table is back", func() bool { return v.Probe(w.Attacker, "tcp", at(w.Attacker, door), labtest.Silence) != lab.Open })
			}
			if !u.off {
				v.strangers(n)
				v.friends(n)
			}
			v.lives(s)
			if after := v.sources(); !reflect.DeepEqual(before, after) {
				t.Errorf("grants were %v, and are %v", before, after)
			}
		})
	}
	w.sallyport(w.Gate, "revoke", "-c", w.served.Config, "--all")
	w.Closed(w.Client, "tcp", at(w.Client, door))
	w.Closed(w.Client, "tcp", at(w.Client, published))
}

// strangers looks at everything with the eyes of one who has not knocked.
func (w *world) strangers(n neighbour) {
	w.t.Helper()
	w.Open(w.Attacker, "tcp", at(w.Attacker, public))
	if n.six {
		w.Open(w.Attacker, "tcp", at6(w.Attacker, public))
	}
	shut := []uint16{door, forgotten, published}
	if n.filters {
		shut = append(shut, forbidden)
	}
	for _, p := range shut {
		w.Closed(w.Attacker, "tcp", at(w.Attacker, p))
		w.Closed(w.Attacker, "tcp", at6(w.Attacker, p))
	}
}

// friends looks with the eyes of the client, who has grants for all doors.
func (w *world) friends(n neighbour) {
	w.t.Helper()
	w.Open(w.Client, "tcp", at(w.Client, door))
	if n.publish {
		w.Open(w.Client, "tcp", at(w.Client, published))
	}
	if n.filters {
		w.Closed(w.Client, "tcp", at(w.Client, forgotten))
	}
	if n.behind != nil {
		w.hidden(n.behind)
	}
}

// hidden requires that what connects from behind the gate comes from the gate's
// address.
func (w *world) hidden(connect func(to netip.AddrPort)) {
	w.t.Helper()
	ln, err := w.Client.Listen("tcp", netip.AddrPortFrom(w.Client.IP4, 0).String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer ln.Close()
	from := make(chan net.Addr, 1)
	go func() {
		if conn, err := ln.Accept(); err == nil {
			from <- conn.RemoteAddr()
			conn.Close()
		}
	}()
	connect(ln.Addr().(*net.TCPAddr).AddrPort())
	select {
	case a := <-from:
		if got := a.(*net.TCPAddr).AddrPort().Addr().Unmap(); got != w.Client.Gate4 {
			w.t.Errorf("who is behind the gate comes from %s, want %s", got, w.Client.Gate4)
		}
	case <-time.After(labtest.Patience):
		w.t.Error("nobody comes from behind the gate")
	}
}

// inside connects from the host behind the gate.
func (w *world) inside(to netip.AddrPort) { w.t.Helper(); w.Open(w.Inside, "tcp", to) }

// scan tries all doors from the attacker, until it is ended.
func (w *world) scan() (end func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			for _, p := range []uint16{door, forgotten, published} {
				if a, err := w.Attacker.Probe("tcp", at(w.Attacker, p), 20*time.Millisecond); err == nil && a == lab.Open {
					w.t.Errorf("tcp/%d is open to a stranger meanwhile", p)
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// session connects and requires a greeting.
func (w *world) session(to netip.AddrPort) net.Conn {
	w.t.Helper()
	conn, err := w.Client.Dial(w.t.Context(), "tcp", to.String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(labtest.Patience))
	if _, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// lives requires that a session still carries what it is given.
func (w *world) lives(conn net.Conn) {
	w.t.Helper()
	conn.SetDeadline(time.Now().Add(labtest.Patience))
	buf := make([]byte, 4)
	if _, err := conn.Write([]byte("here")); err != nil {
		w.t.Fatalf("the session is cut: %v", err)
	}
	if _, err := conn.Read(buf); err != nil || string(buf) != "here" {
		w.t.Fatalf("the session is cut: %q, %v", buf, err)
	}
}

// sources lists which grants are in force.
func (w *world) sources() []string {
	w.t.Helper()
	var list []string
	for _, g := range w.status().Grants {
		list = append(list, fmt.Sprint(g.Door, " ", g.Source))
	}
	slices.Sort(list)
	return list
}
