package setup

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"sallyport/internal/inspect"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
)

// Host is what a first configuration must know about this one.
type Host struct {
	Services  []Service
	Firewalls []inspect.Firewall
	Session   inspect.Session // the SSH session that this program runs in
	InSession bool
	Bridges   []netstate.Bridge    // to which containers are attached
	Notes     []string             // what could not be found out
	below     uint16               // first ephemeral port
	taken     map[packet.Port]bool // no ports for knocks
}

// Service is something that could become a door.
type Service struct {
	Port    packet.Port
	Process string // "" if unknown
	Door    string // the name it would have
	Private bool   // nobody but a few should reach it
}

// Look finds out what runs on this host. What needs root and is not
// found out without it becomes a note.
func Look() (h Host, err error) {
	listening, err := netstate.Services()
	if err != nil {
		return h, err
	}
	if h.below, _, err = netstate.EphemeralRange(); err != nil {
		return h, err
	}
	named, err := inspect.Named()
	if err != nil {
		return h, err
	}
	if h.Firewalls, err = inspect.Firewalls(); err != nil {
		h.Notes = append(h.Notes, "firewalls and published ports are not known without root")
	} else if published, err := inspect.Published(); err != nil {
		h.Notes = append(h.Notes, err.Error())
	} else {
		listening = addPublished(listening, published)
	}
	if h.Bridges, err = netstate.Bridges(); err != nil {
		h.Notes = append(h.Notes, err.Error())
	}
	h.Session, h.InSession = inspect.CurrentSession()
	h.taken = make(map[packet.Port]bool, len(listening)+len(named))
	for _, p := range named {
		h.taken[p] = true
	}
	for _, s := range listening {
		h.taken[s.Port] = true
	}
	h.Services = candidates(listening, h.below)
	return h, nil
}

// addPublished adds ports that containers, or other hosts, have without a
// listener here. What is translated for another address is no door of this host.
func addPublished(list []netstate.Service, published []inspect.Forwarded) []netstate.Service {
	for _, f := range published {
		here := !f.At.IsValid() && f.Port.Number != 0 && f.Last <= f.Port.Number
		if here && !slices.ContainsFunc(list, func(s netstate.Service) bool { return s.Port == f.Port }) {
			list = append(list, netstate.Service{Port: f.Port, Process: f.By})
		}
	}
	return list
}

// notServices are UDP ports on which a host listens for its own sake: DHCP,
// time, service discovery.
var notServices = []uint16{68, 123, 323, 546, 1900, 5353, 5355}

// candidates turns what listens into what could be guarded, sshd first.
func candidates(listening []netstate.Service, below uint16) []Service {
	var list []Service
	used := make(map[string]bool)
	for _, s := range listening {
		udp := s.Port.Proto == packet.UDP
		if udp && (s.Port.Number >= below || slices.Contains(notServices, s.Port.Number)) {
			continue
		}
		name := doorName(s)
		if used[name] {
			name = fmt.Sprintf("%.20s-%s-%d", name, s.Port.Proto, s.Port.Number)
		}
		used[name] = true
		list = append(list, Service{s.Port, s.Process, name, isSSH(s) || !udp && slices.Contains(privatePorts, s.Port.Number)})
	}
	slices.SortStableFunc(list, func(a, b Service) int {
		return cmp.Compare(rank(a), rank(b))
	})
	return list
}

func rank(s Service) int {
	if s.Door == "ssh" {
		return 0
	}
	return 1
}

// isSSH recognises sshd on whatever port, also where the service manager
// holds its socket.
func isSSH(s netstate.Service) bool {
	return s.Port.Proto == packet.TCP && (s.Process == "sshd" || s.Process == "dropbear" || s.Port.Number == 22)
}

// privatePorts are those of databases, consoles and desktops, which are hardly
// ever meant for everybody.
var privatePorts = []uint16{
	23, 389, 445, 873, 1433, 1521, 2049, 2375, 2376, 2379, 3306, 3389, 5432, 5601, 5672, 5900, 5901, 5984, 5985,
	6379, 6443, 8006, 8086, 9090, 9100, 9200, 9300, 10000, 10250, 11211, 15672, 27017,
}

// wellKnown are doors that have a better name than their program.
var wellKnown = map[packet.Port]string{
	{Proto: packet.TCP, Number: 80}:  "http",
	{Proto: packet.TCP, Number: 443}: "https",
	{Proto: packet.UDP, Number: 443}: "http3",
	{Proto: packet.TCP, Number: 25}:  "smtp",
	{Proto: packet.TCP, Number: 53}:  "dns",
	{Proto: packet.UDP, Number: 53}:  "dns-udp",
}

// doorName makes a name that the configuration accepts.
func doorName(s netstate.Service) string {
	if isSSH(s) {
		return "ssh"
	}
	if name := wellKnown[s.Port]; name != "" {
		return name
	}
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return -1
	}, strings.ToLower(s.Process))
	if clean = strings.TrimLeft(clean, "._-"); clean == "" || s.Process == "systemd" {
		return fmt.Sprintf("%s-%d", s.Port.Proto, s.Port.Number)
	}
	return clean
}

// Propose returns what init guards if nobody says otherwise: sshd and what should
// not be public. Where nothing listens yet it is the usual port of sshd.
func (h Host) Propose() (doors []Door) {
	for _, s := range h.Services {
		if s.Private {
			doors = append(doors, Door{s.Door, []packet.Port{s.Port}})
		}
	}
	if len(doors) == 0 {
		doors = []Door{{"ssh", []packet.Port{{Proto: packet.TCP, Number: 22}}}}
	}
	return doors
}

// Address is how clients may reach this host, as far as it can know.
func (h Host) Address() string {
	if h.InSession {
		return h.Session.Server.Addr().String()
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "HOST"
}
