// Package inspect finds out what a careful person would look up on a host
// before closing doors on it: which firewalls are there and whether they let
// anything in by themselves, which ports are translated and where they lead,
// what else shuts out sources, and which SSH session the person is sitting in.
//
// Everything is read again at each call and nothing is changed. All functions
// may be called by several goroutines at once. Linux only: elsewhere each
// returns an error that wraps [errors.ErrUnsupported].
package inspect

import (
	"fmt"
	"net/netip"
	"strings"

	"sallyport/internal/packet"
)

// Firewall is one that is set up on the host, beside our own table.
type Firewall struct {
	// Name is who made it: "ufw", "firewalld", "Docker", "iptables",
	// "iptables-legacy", or "nftables" for tables of an unknown hand.
	Name string
	// Drops reports that it keeps out what it does not know, so that a door must
	// be allowed there too.
	Drops bool
	// Hidden reports that what it does cannot be found out.
	Hidden bool
}

// Shut is a port to which a firewall lets nothing through.
type Shut struct {
	Port   packet.Port
	Family string // "IPv4", "IPv6" or "" for both
	By     string // the firewall and its chain
}

// Guard is something else that shuts out sources.
type Guard struct {
	Name  string // such as "fail2ban"
	Where string // a chain of its
}

// Forwarded is what a rule translates: packets to a port, or to several, that
// go to another host, a container or another port.
type Forwarded struct {
	Port  packet.Port  // the first one; zero: all ports and protocols, of the addresses At
	Last  uint16       // the last one
	At    netip.Prefix // the destinations that the rule names; invalid: none, so this host's among others
	By    string       // "Docker", "Podman", "Kubernetes", or "" for an unknown hand
	To    netip.Addr   // where they go; invalid: it is this host itself, or not known
	Here  bool         // to this host itself
	Lands packet.Port  // to which port; zero: the same one
}

// Session is an SSH connection as sshd describes it to its children.
type Session struct {
	Client, Server netip.AddrPort
}

// parseSession reads SSH_CONNECTION of sshd(8): "client port server port".
func parseSession(text string) (Session, error) {
	words := strings.Fields(text)
	if len(words) != 4 {
		return Session{}, fmt.Errorf("SSH_CONNECTION is %q, want two addresses with ports", text)
	}
	var s Session
	for i, end := range []*netip.AddrPort{&s.Client, &s.Server} {
		var err error
		if *end, err = addrPort(words[2*i], words[2*i+1]); err != nil {
			return Session{}, fmt.Errorf("SSH_CONNECTION is %q: %w", text, err)
		}
	}
	return s, nil
}

func addrPort(address, port string) (netip.AddrPort, error) {
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	p, err := netip.ParseAddrPort(address + ":" + port)
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), err
}
