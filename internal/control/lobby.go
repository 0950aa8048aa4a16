package control

import (
	"context"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
)

// callersRights returns what a caller on the socket may do. Root, the daemon's own
// user and the members of the socket's group are administrators, unless they were
// given other rights by name. So is everyone whom the mode of the file lets in, as
// long as it has never let in all.
func (s *Server) callersRights(c Caller) Rights {
	if c.UID == 0 || int(c.UID) == os.Geteuid() {
		return Administrator
	}
	if given := s.rights(c); given != 0 {
		return given
	}
	if !s.open.Load() {
		return Administrator
	}
	if group, ok := socketGroup(s.listener.Addr().String()); ok && slices.Contains(c.Groups, group) {
		return Administrator
	}
	return 0
}

// onSocket finds out who asks by the socket. Where the kernel does not say who that
// is, it is nobody.
func (s *Server) onSocket(r *http.Request) asker {
	c, ok := callerOf(r.Context())
	if !ok {
		return asker{}
	}
	return asker{name: named(UserName(c.UID), r.Header.Get(OnBehalf)), rights: s.callersRights(c) & atMost(r.Header.Get(NoMoreThan))}
}

// How many connections there may be of users who are no administrators: these cannot
// keep one another out, nor take the daemon's descriptors.
const (
	maxGuests    = 64
	maxStrangers = 16 // who may do nothing, and only get to know that
	maxOfUser    = 16
)

// lobby accepts connections. Administrators always have room.
type lobby struct {
	net.Listener
	knows func(Caller) Rights

	mu        sync.Mutex
	guests    int
	strangers int
	users     map[uint32]int // guests, by user
}

// Accept waits for a connection for which there is room.
func (l *lobby) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c, ok := callerOf(rememberCaller(context.Background(), conn))
		if !ok {
			conn.Close()
			continue
		}
		rights := l.knows(c)
		if rights.Has(Admin) {
			return conn, nil
		}
		if g := l.enter(c.UID, rights == 0); g != nil {
			g.Conn = conn
			return g, nil
		}
		conn.Close()
	}
}

// enter takes a place, if there is one.
func (l *lobby) enter(uid uint32, stranger bool) *guest {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stranger && l.strangers >= maxStrangers || !stranger && l.guests >= maxGuests || l.users[uid] >= maxOfUser {
		return nil
	}
	g := &guest{of: l, uid: uid, stranger: stranger}
	l.users[uid]++
	g.count(1)
	return g
}

// guest is a connection that has a place in the lobby.
type guest struct {
	net.Conn
	of       *lobby
	uid      uint32
	stranger bool
	leave    sync.Once
}

func (g *guest) count(n int) {
	if g.stranger {
		g.of.strangers += n
	} else {
		g.of.guests += n
	}
}

// NetConn returns the connection itself.
func (g *guest) NetConn() net.Conn { return g.Conn }

// Close closes the connection and gives its place back.
func (g *guest) Close() error {
	g.leave.Do(func() {
		g.of.mu.Lock()
		defer g.of.mu.Unlock()
		g.count(-1)
		if g.of.users[g.uid]--; g.of.users[g.uid] == 0 {
			delete(g.of.users, g.uid)
		}
	})
	return g.Conn.Close()
}
