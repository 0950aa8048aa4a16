//go:build linux

package sessions

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/conntrack"
	"sallyport/internal/grant"
	"sallyport/internal/packet"
)

// Expel cuts the connections that have begun while the table was away, and returns
// how many. With another table that tracks connections they would go on: to the
// kernel they are established.
func (s *Sessions) Expel(cfg *config.Config) int {
	s.Reread(time.Now())
	done, err := s.cut(func(f conntrack.Flow, known *grant.Session, _ bool) bool {
		return stray(cfg, s.own, f, known, arrivesAt)
	})
	others, problem := s.expelFromClosed(cfg)
	if err = errors.Join(err, problem); err != nil {
		s.log.Warn("connections that have begun without the firewall table were to be cut", "error", err)
	}
	return len(done) + others
}

// stray reports whether a connection could not have begun with the table in place:
// it was seen to begin, nobody had a grant for it, and it is none of those that
// need none.
func stray(cfg *config.Config, own func(netip.Addr) bool, f conntrack.Flow, known *grant.Session, arrives func(netip.Addr) string) bool {
	door := cfg.DoorAt(f.Port)
	switch {
	case door == nil, known == nil, !known.Seen, len(known.Owners) > 0:
		return false
	case !own(f.To) && !contains(door.To, f.To):
		return false // another host's
	}
	return gated(cfg, f.Source, arrives)
}

// gated reports whether packets from a source are judged by their ports.
func gated(cfg *config.Config, source netip.Addr, arrives func(netip.Addr) string) bool {
	if cfg.Trusts(source) {
		return false
	}
	return len(cfg.Gate.Interfaces) == 0 || slices.Contains(cfg.Gate.Interfaces, arrives(source))
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// arrivesAt names the interface by which this host reaches a source, empty if it
// cannot be found out. It sends nothing.
func arrivesAt(source netip.Addr) string {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 9)))
	if err != nil {
		return ""
	}
	defer conn.Close()
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == local {
				return i.Name
			}
		}
	}
	return ""
}

// closedPorts are what policy "all" closes beside the doors. Nothing can begin there
// while the table is in place, but from sources and by interfaces that are not
// gated. So what is there when a configuration comes into force is older than it,
// and whatever else is there later has begun without the table.
type closedPorts struct {
	mu    sync.Mutex
	cfg   *config.Config
	older map[conntrack.Flow]bool // without their ids; nil: not known
}

// mostOlder bounds how many such connections are known. Of a host with more, none
// is cut.
const mostOlder = 1 << 16

// guard takes a configuration. What is older is not known before look.
func (c *closedPorts) guard(cfg *config.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg, c.older = cfg, nil
}

// look notes what there is at the ports that are closed.
func (s *Sessions) look() {
	c := &s.closed
	c.mu.Lock()
	defer c.mu.Unlock()
	list, err := s.atClosed(c.cfg)
	if err != nil || len(list) > mostOlder {
		return // that nothing is known is no harm until the table is removed
	}
	c.older = make(map[conntrack.Flow]bool, len(list))
	for _, f := range list {
		c.older[withoutID(f)] = true
	}
}

// atClosed lists the connections that could not begin with the table in place.
func (s *Sessions) atClosed(cfg *config.Config) ([]conntrack.Flow, error) {
	if cfg.Gate.Policy != config.PolicyAll {
		return nil, nil
	}
	list, err := conntrack.Plain(func(p packet.Port) bool { return shut(cfg, p) })
	known := make(map[netip.Addr]bool) // to look an interface up takes longer than all the rest
	return slices.DeleteFunc(list, func(f conntrack.Flow) bool {
		if !s.own(f.To) || s.own(f.Source) {
			return true
		}
		is, ok := known[f.Source]
		if !ok {
			is = gated(cfg, f.Source, arrivesAt)
			known[f.Source] = is
		}
		return !is
	}), err
}

// shut reports whether policy "all" closes a port to all but a few sources. Replies
// to broadcasts of DHCP pass the table.
func shut(cfg *config.Config, p packet.Port) bool {
	dhcp := p.Proto == packet.UDP && (p.Number == 68 || p.Number == 546)
	return (p.Proto == packet.TCP || p.Proto == packet.UDP) && !dhcp && cfg.Closes(p) && cfg.DoorAt(p) == nil
}

// expelFromClosed cuts what has begun at closed ports since look, and returns how
// many connections that were.
func (s *Sessions) expelFromClosed(cfg *config.Config) (int, error) {
	c := &s.closed
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.older == nil {
		return 0, nil
	}
	list, err := s.atClosed(cfg)
	if err != nil {
		return 0, fmt.Errorf("look for connections to closed ports: %w", err)
	}
	strays := make(map[conntrack.Flow]bool)
	for _, f := range list {
		if !c.older[withoutID(f)] {
			strays[f.Name()] = true
		}
	}
	if len(strays) == 0 {
		return 0, nil
	}
	done, err := conntrack.Cut(func(f conntrack.Flow) bool { return strays[f.Name()] })
	return len(done), err
}

// withoutID names a connection that connection tracking may have forgotten, and
// found again.
func withoutID(f conntrack.Flow) conntrack.Flow {
	f = f.Name()
	f.ID = 0
	return f
}
