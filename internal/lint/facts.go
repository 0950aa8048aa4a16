package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/internal/key"
	"sallyport/internal/packet"
)

// Facts are what was found out about the host. What could not be found out is
// left zero, and the rules about it are silent.
type Facts struct {
	EphemeralFirst, EphemeralLast uint16 // ports of outgoing connections

	Services  []Service   // what listens for others, sorted by port
	Published []Forwarded // ports that are translated, for containers most of all
	Session   *Session    // the SSH session that asks
	Shut      []Shut      // doors that another firewall keeps shut
	Unread    []string    // names of firewalls that could not be looked into
	Files     []File      // the configuration and the secrets it names

	Own       []netip.Prefix // addresses of this host, also by local routes; nil: unknown
	Links     []string       // names of interfaces; nil: unknown
	VRFs      []string       // those of them that are VRFs
	Parts     []Part         // those of them that are parts of others
	Bridges   []Bridge       // those to which containers are attached
	Unrouted  []netip.Prefix // of the destinations behind doors, those to which no route leads
	Untracked []Shut         // doors that a rule keeps out of connection tracking
	Guards    []Guard        // what else shuts out sources

	Missing     []string // of the files that the configuration names, those that are not there
	NotRunnable []string // of the programs
	Busy        []string // addresses to listen at that other programs have

	Unusable []Unusable  // what the daemon needs, and could not use
	Console  *Console    // nil: none is configured, or it is not known
	Suites   []key.Suite // those of which there is a server key; nil: unknown

	// OneTimeLeft is how many one-time sequences of a door have not been used,
	// by its name.
	OneTimeLeft map[string]int
}

// Service is a port that someone listens on.
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

// Forwarded is what a rule translates; the fields are those of
// [sallyport/internal/inspect.Forwarded].
type Forwarded struct {
	Port  packet.Port
	Last  uint16
	At    netip.Prefix
	By    string
	To    netip.Addr
	Here  bool
	Lands packet.Port
}

// Part is a port of a bridge, or one of the links of a bond.
type Part struct{ Name, Of string }

// Bridge is an interface to which containers are attached.
type Bridge struct {
	Name     string
	Networks []netip.Prefix
}

// Guard is something else that shuts out sources.
type Guard struct {
	Name  string // such as "fail2ban"
	Where string // such as `chain "f2b-sshd" of table ip "filter"`
}

// Unusable is a file or folder that would keep the daemon from starting, or from
// recording what it must.
type Unusable struct {
	Path   string
	Text   string // what is wrong with it
	Remedy string
}

// File is one that decides who gets in.
type File struct {
	Path    string
	Mode    uint32 // permission bits
	Owner   string // name, or number
	Strange bool   // the owner is neither root nor the daemon
	Secret  bool   // nobody else should read it
}

// listens reports whether someone takes packets on a port.
func (f *Facts) listens(p packet.Port) bool {
	return slices.ContainsFunc(f.Services, func(s Service) bool { return s.Port == p }) || f.forwards(p)
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
	for _, t := range f.Published {
		add("%s", t.sentence())
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
	if c := f.Console; c != nil && len(c.Mistakes) > 0 {
		add("%s has a mistake", c.Path)
	} else if c != nil {
		add("the console is at %s and asks at %s", c.Origin, c.Socket)
	}
	for _, name := range sortedKeys(f.OneTimeLeft) {
		add("door %q has %d unused one-time sequences", name, f.OneTimeLeft[name])
	}
	lines = append(lines, f.network()...)
	for _, path := range f.Missing {
		add("there is no %s", path)
	}
	for _, path := range f.NotRunnable {
		add("there is no %s", path)
	}
	for _, at := range f.Busy {
		add("another program listens at %s", at)
	}
	return strings.Join(lines, "\n")
}

// network describes addresses, interfaces and rules.
func (f *Facts) network() (lines []string) {
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, p := range f.Own {
		add("%s is this host's address", address(p))
	}
	if f.Links != nil {
		add("the interfaces are %s", strings.Join(f.Links, " and "))
	}
	for _, p := range f.Parts {
		add("%s is a part of %s", p.Name, p.Of)
	}
	for _, name := range f.VRFs {
		add("%s is a VRF", name)
	}
	for _, b := range f.Bridges {
		add("%s is a bridge of containers in %s", b.Name, b.Networks[0])
	}
	for _, p := range f.Unrouted {
		add("no route leads to %s", p)
	}
	for _, s := range f.Untracked {
		add("%s has \"notrack\" for %s", s.By, s.Port)
	}
	for _, g := range f.Guards {
		add("%s has %s", g.Name, g.Where)
	}
	return lines
}

// sentence says where a port leads.
func (t Forwarded) sentence() string {
	text := t.String() + " is translated"
	if t.To.IsValid() {
		text += fmt.Sprintf(" to %s", t.To)
	}
	if t.Lands.Number != 0 {
		text += fmt.Sprintf(" to %s", t.Lands)
	}
	return text
}
