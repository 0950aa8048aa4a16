package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/internal/packet"
)

// Facts are what was found out about the host. What could not be found out is
// left zero, and the rules about it are silent.
type Facts struct {
	EphemeralFirst, EphemeralLast uint16 // ports of outgoing connections

	Services  []Service     // what listens for others, sorted by port
	Published []packet.Port // ports that are forwarded, to containers most of all
	Session   *Session      // the SSH session that asks
	Shut      []Shut        // doors that another firewall keeps shut
	Unread    []string      // names of firewalls that could not be looked into
	Files     []File        // the configuration and the secrets it names

	// OneTimeLeft is how many one-time sequences of a door have not been used,
	// by its name.
	OneTimeLeft map[string]int
}

// Service is a port that somebody listens on.
type Service struct {
	Port    packet.Port
	Process string // "" if unknown
}

// Session is an SSH session: whence, and to which port of this host.
type Session struct {
	Source netip.Addr
	Port   uint16
}

// Shut is a port to which another firewall lets nothing through, whatever the
// source.
type Shut struct {
	Port   packet.Port
	Family string // "IPv4", "IPv6" or "" for both
	By     string // such as `chain "input" of table inet "filter"`
}

// File is one that decides who gets in.
type File struct {
	Path    string
	Mode    uint32 // permission bits
	Owner   string // name, or number
	Strange bool   // the owner is neither root nor the daemon
	Secret  bool   // nobody else should read it
}

// listens tells whether somebody takes packets on a port.
func (f *Facts) listens(p packet.Port) bool {
	return slices.ContainsFunc(f.Services, func(s Service) bool { return s.Port == p }) || slices.Contains(f.Published, p)
}

// String describes the facts in a few lines, for the examples of rules.
func (f *Facts) String() string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if f.EphemeralFirst != 0 {
		add("outgoing connections use ports %d-%d", f.EphemeralFirst, f.EphemeralLast)
	}
	for _, s := range f.Services {
		add("%s listens on %s", s.Process, s.Port)
	}
	for _, p := range f.Published {
		add("%s is forwarded", p)
	}
	if f.Session != nil {
		add("you are here over SSH from %s to tcp/%d", f.Session.Source, f.Session.Port)
	}
	for _, s := range f.Shut {
		add("%s lets nothing through to %s", s.By, s.Port)
	}
	for _, name := range f.Unread {
		add("%s is in use", name)
	}
	for _, file := range f.Files {
		add("%s has mode %04o and belongs to %s", file.Path, file.Mode, file.Owner)
	}
	for _, name := range sortedKeys(f.OneTimeLeft) {
		add("door %q has %d unused one-time sequences", name, f.OneTimeLeft[name])
	}
	return strings.Join(lines, "\n")
}
