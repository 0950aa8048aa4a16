// Package crowded bounds how many connections a listener serves at a time.
//
// Connections cost nothing to anyone who makes them, so turning away those that
// come last would let anybody keep everybody out. Where there are too many, the
// oldest that has proved nothing makes room: silent ones go, and an honest one
// needs a moment only. Of those that have shown whose they are, whose are most make
// room, too: someone who may be there is not someone who may be there alone.
package crowded

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Limits say how many connections there are at a time.
type Limits struct {
	Most      int    // in all
	PerSource int    // from one address; 0: as many as in all
	Full      func() // called when one had to make room; must not block; may be nil
}

// ofOwner is how many connections of one owner make room for nobody: as many as a browser
// has, and some more.
const ofOwner = 8

// Listen bounds the connections that a listener accepts.
func Listen(l net.Listener, limits Limits) net.Listener {
	return &listener{Listener: l, limits: limits, from: make(map[netip.Addr]int)}
}

// Prove says that a connection, or what it wraps (as *tls.Conn does), has shown
// a right to be there: it makes room for nobody any more.
func Prove(c net.Conn) { ProveOf(c, "") }

// ProveOf says that, and whose it is. It makes room for others only if that owner has many.
func ProveOf(c net.Conn, owner string) {
	for {
		switch outer := c.(type) {
		case *conn:
			outer.prove(owner)
			return
		case interface{ NetConn() net.Conn }:
			c = outer.NetConn()
		default:
			return
		}
	}
}

type listener struct {
	net.Listener
	limits Limits

	mu   sync.Mutex
	all  []*conn // the oldest first
	from map[netip.Addr]int
}

// conn is a connection of a listener.
type conn struct {
	net.Conn
	of     *listener
	source netip.Addr // zero: it has none
	proven bool       // guarded by of.mu, as all below
	owner  string     // who has proved it; empty: nobody in particular
	gone   bool
}

// Accept waits for a connection for which there is room.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: raw, of: l}
		if a, ok := raw.RemoteAddr().(*net.TCPAddr); ok {
			c.source = a.AddrPort().Addr().Unmap().WithZone("")
		}
		leaves := l.enter(c)
		if leaves == nil {
			return c, nil
		}
		if l.limits.Full != nil {
			l.limits.Full()
		}
		_ = leaves.Conn.Close() // it has been taken off the list
		if leaves != c {
			return c, nil
		}
	}
}

// enter makes room for a connection and returns which has to leave for that, if
// any: it may be the new one.
func (l *listener) enter(c *conn) (leaves *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	crowd := func(*conn) bool { return true }
	switch {
	case l.limits.PerSource > 0 && c.source.IsValid() && l.from[c.source] >= l.limits.PerSource:
		crowd = func(o *conn) bool { return o.source == c.source }
	case len(l.all) < l.limits.Most:
		l.add(c)
		return nil
	}
	if leaves = l.oldest(func(o *conn) bool { return !o.proven && crowd(o) }); leaves == nil {
		leaves = l.ofMost(crowd)
	}
	if leaves == nil {
		return c
	}
	l.remove(leaves)
	l.add(c)
	return leaves
}

func (l *listener) oldest(which func(*conn) bool) *conn {
	if i := slices.IndexFunc(l.all, which); i >= 0 {
		return l.all[i]
	}
	return nil
}

// ofMost returns the oldest connection in a crowd of the owner who has most there; nil, if
// that are not too many for one.
func (l *listener) ofMost(crowd func(*conn) bool) *conn {
	count, owner := make(map[string]int), ""
	for _, o := range l.all {
		if o.owner == "" || !crowd(o) {
			continue
		}
		if count[o.owner]++; count[o.owner] > count[owner] {
			owner = o.owner
		}
	}
	if count[owner] <= ofOwner {
		return nil
	}
	return l.oldest(func(o *conn) bool { return o.owner == owner && crowd(o) })
}

func (l *listener) add(c *conn) {
	l.all = append(l.all, c)
	l.from[c.source]++
}

func (l *listener) remove(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	l.all = slices.DeleteFunc(l.all, func(o *conn) bool { return o == c })
	if l.from[c.source]--; l.from[c.source] == 0 {
		delete(l.from, c.source)
	}
}

func (c *conn) prove(owner string) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.proven, c.owner = true, owner
}

// Close closes the connection and gives its place back.
func (c *conn) Close() error {
	c.of.mu.Lock()
	c.of.remove(c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
