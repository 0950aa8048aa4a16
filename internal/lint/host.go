package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// Linux gives these ports to outgoing connections unless told otherwise.
const defaultFirst, defaultLast = 32768, 60999

func port(text string) packet.Port {
	p, err := packet.ParsePort(text)
	if err != nil {
		panic(err) // an example is wrong
	}
	return p
}

var hostRules = []Rule{
	{
		Name: "own-session", Group: Host, Severity: Error,
		Summary: "a door is on the port of the SSH session you are in, and nobody can open it from there",
		Why:     "This session goes on, but you could not come back. (Where someone can open the door, it is an info that names who: is that you?)",
		Remedy:  "let a client open it (sallyport client add), or add the source to trusted",
		Bad:     Example{Config: sshDoor, Host: &Facts{Session: &Session{netip.MustParseAddr("192.0.2.7"), 22}}},
		Good: Example{Config: "[gate]\ntrusted = [\"192.0.2.7\"]\n\n" + spaPort + sshDoor + alice,
			Host: &Facts{Session: &Session{netip.MustParseAddr("192.0.2.7"), 22}}},
		check: checkSession,
	},
	{
		Name: "shut-elsewhere", Group: Host, Severity: Error,
		Summary: "another firewall keeps a door shut",
		Why: "Sallyport only closes. What a grant lets through still meets the other tables of the host, and one of them drops or rejects new connections to this " +
			"port from everywhere, so that the door never opens.",
		Remedy: "allow the port there (ufw allow, firewall-cmd --add-port, iptables -I INPUT): the door is closed to strangers all the same",
		Bad: Example{Config: spaPort + sshDoor + alice,
			Host: &Facts{Shut: []Shut{{port("tcp/22"), "", `chain "input" of table inet "filter"`}}}},
		Good:  Example{Config: spaPort + sshDoor + alice, Host: &Facts{}},
		check: checkShut,
	},
	{
		Name: "unread-firewall", Group: Host, Severity: Info,
		Summary: "there is a firewall that cannot be looked into",
		Why:     "The older iptables keeps rules that no other program can read. Whether it keeps a door shut, or translates another port to one, is not known.",
		Remedy:  "look yourself: iptables-legacy -S INPUT, iptables-legacy -t nat -S; and allow the ports of doors there",
		Bad:     Example{Config: spaPort + sshDoor + alice, Host: &Facts{Unread: []string{"iptables-legacy"}}},
		Good:    Example{Config: spaPort + sshDoor + alice, Host: &Facts{}},
		check: func(in input, tell report) {
			if in.host != nil && len(in.Doors) > 0 {
				for _, name := range in.host.Unread {
					tell(config.Place{File: in.Path}, fmt.Sprintf("%s is in use; whether it keeps doors shut is not known", name))
				}
			}
		},
	},
	{
		Name: "service-elsewhere", Group: Host, Severity: Warning,
		Summary: "the program behind a door can be reached on another port too",
		Why:     "Anyone who is kept from the door goes there.",
		Remedy:  "add the other port to the door, or have the program listen on one port only",
		Bad:     Example{Config: spaPort + sshDoor + alice, Host: &Facts{Services: []Service{{port("tcp/22"), "sshd"}, {port("tcp/2022"), "sshd"}}}},
		Good: Example{Config: spaPort + "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\", \"tcp/2022\"]\n" + alice,
			Host: &Facts{Services: []Service{{port("tcp/22"), "sshd"}, {port("tcp/2022"), "sshd"}}}},
		check: checkElsewhere,
	},
	{
		Name: "open-services", Group: Host, Severity: Info,
		Summary: "something listens that is no door",
		Why:     `With policy "doors" it is as open as the rest of the host's firewalls leave it.`,
		Remedy:  "make it a door if it is not meant for everybody",
		Bad:     Example{Config: spaPort + sshDoor + alice, Host: &Facts{Services: []Service{{port("tcp/22"), "sshd"}, {port("tcp/5432"), "postgres"}}}},
		Good: Example{Config: spaPort + sshDoor + "\n[[door]]\nname = \"db\"\nports = [\"tcp/5432\"]\n" + strings.Replace(alice, `"ssh"`, `"ssh", "db"`, 1),
			Host: &Facts{Services: []Service{{port("tcp/22"), "sshd"}, {port("tcp/5432"), "postgres"}}}},
		check: checkOpen,
	},
	{
		Name: "nobody-listens", Group: Host, Severity: Info,
		Summary: "nothing listens on a port of a door",
		Why:     "The port is wrong, or its program does not run.",
		Remedy:  "start the program, or correct the port",
		Bad:     Example{Config: spaPort + sshDoor + alice, Host: &Facts{Services: []Service{{port("tcp/2222"), "sshd"}}}},
		Good:    Example{Config: spaPort + sshDoor + alice, Host: &Facts{Services: []Service{{port("tcp/22"), "sshd"}}}},
		check: func(in input, tell report) {
			if in.host == nil || in.host.Services == nil {
				return
			}
			for _, d := range in.Doors {
				for _, p := range d.Ports {
					if len(d.To) == 0 && !in.host.listens(p) {
						tell(d.Place, fmt.Sprintf("door %q: nothing listens on %s", d.Name, p))
					}
				}
			}
		},
	},
	{
		Name: "reset-shows-doors", Group: Host, Severity: Info,
		Summary: "TCP doors reject, and other closed ports are left to the kernel",
		Why: "The reset for a door is made by nftables and has a TOS (IPv6: traffic class) of zero, where the kernel's own one repeats the TOS of what it answers. " +
			"Ordinary packets have none, so scanners see no difference, but one packet with a TOS for each port is enough for someone who looks there.",
		Remedy: `set policy = "all" in [gate]: then all closed ports are answered in the same way`,
		Bad:    Example{Config: "[gate]\nclosed = \"reject\"\n\n" + spaPort + sshDoor + alice},
		Good:   Example{Config: "[gate]\nclosed = \"reject\"\npolicy = \"all\"\n\n" + spaPort + sshDoor + alice},
		check: func(in input, tell report) {
			if in.Gate.Closed != config.ClosedReject || in.Gate.Policy == config.PolicyAll {
				return
			}
			for _, d := range in.Doors {
				if slices.ContainsFunc(d.Ports, func(p packet.Port) bool { return p.Proto == packet.TCP }) {
					tell(d.Place, fmt.Sprintf("door %q: its resets differ from those of closed ports in TOS", d.Name))
				}
			}
		},
	},
	{
		Name: "busy-knock", Group: Host, Severity: Error,
		Summary: "something listens on a port that is a knock",
		Why:     "Knocks count on closed ports only. A port with a listener has visitors of its own, and they spoil sequences.",
		Remedy:  "choose another port, or stop what listens there",
		Bad:     Example{Config: sshDoor + random, Host: &Facts{Services: []Service{{port("tcp/4813"), "httpd"}}}},
		Good:    Example{Config: sshDoor + random, Host: &Facts{Services: []Service{{port("tcp/22"), "sshd"}}}},
		check: func(in input, tell report) {
			if in.host != nil {
				in.eachKnock(tell, in.host.listens, "something listens on %s")
			}
		},
	},
	{
		Name: "ephemeral-knock", Group: Host, Severity: Warning,
		Summary: "a knock is among the ports of outgoing connections",
		Why: "The kernel gives these ports to outgoing connections, and the replies to them arrive there: a busy host looks at all of them, and a " +
			"knock fails whenever its port happens to be in use. (Of a host that is not known, Linux's usual range is assumed: 32768-60999.)",
		Remedy: "choose ports below the range, or move it: sysctl net.ipv4.ip_local_port_range",
		Bad:    Example{Config: sshDoor + "sequence = [\"udp/21409\", \"tcp/44813\", \"tcp/28761\", \"udp/9377\", \"tcp/15042\"]\n"},
		Good:   Example{Config: sshDoor + random},
		check:  checkEphemeral,
	},
	{
		Name: "file-rights", Group: Host, Severity: Error,
		Summary: "someone else may change or read what decides who gets in",
		Why:     "Anyone who may change the configuration can open every door, and anyone who may read a secret has it.",
		Remedy:  "chown root, chmod 640",
		Bad:     Example{Config: spaPort + sshDoor + alice, Host: &Facts{Files: []File{{"/etc/sallyport/sallyport.toml", 0o660, "root", false, false}}}},
		Good:    Example{Config: spaPort + sshDoor + alice, Host: &Facts{Files: []File{{"/etc/sallyport/sallyport.toml", 0o640, "root", false, false}}}},
		check:   checkFiles,
	},
}

func checkSession(in input, tell report) {
	if in.host == nil || in.host.Session == nil {
		return
	}
	s := in.host.Session
	at := packet.Port{Proto: packet.TCP, Number: s.Port}
	door := in.DoorAt(at)
	way := in.WayIn(s.Source, at, in.now)
	here := fmt.Sprintf("the SSH session you are in (%s, from %s)", at, s.Source)
	switch {
	case way == "" && door != nil:
		tell(door.Place, fmt.Sprintf("door %q is on the port of %s, and nobody can open it from there", door.Name, here))
	case way == "":
		tell(config.Place{File: in.Path}, fmt.Sprintf(`policy "all" closes the port of %s, which is neither public nor a door`, here))
	case door != nil && !in.Trusts(s.Source):
		tell(door.Place, fmt.Sprintf("door %q is on the port of %s: the next one needs a knock (%s)", door.Name, here, way),
			as(Info), remedy("try it before you leave: sallyport reload --confirm 60s goes back by itself"))
	}
}

func checkShut(in input, tell report) {
	if in.host == nil {
		return
	}
	for _, s := range in.host.Shut {
		for _, d := range in.Doors {
			if !slices.Contains(d.Ports, s.Port) || len(d.To) > 0 || in.host.forwards(s.Port) {
				continue
			}
			text := fmt.Sprintf("door %q never opens: %s lets nobody through to %s", d.Name, s.By, s.Port)
			if s.Family != "" {
				tell(d.Place, text+" over "+s.Family, as(Warning))
				continue
			}
			tell(d.Place, text)
		}
	}
}

// open reports whether nothing here closes a port.
func (in input) open(p packet.Port) bool {
	return in.DoorAt(p) == nil && in.Gate.Policy == config.PolicyDoors
}

// holders of sockets for others, whose name tells nothing.
var holders = []string{"", "systemd", "docker-proxy", "inetd", "xinetd"}

func checkElsewhere(in input, tell report) {
	if in.host == nil {
		return
	}
	for _, d := range in.Doors {
		for _, s := range in.host.Services {
			if !slices.Contains(d.Ports, s.Port) || slices.Contains(holders, s.Process) {
				continue
			}
			for _, other := range in.host.Services {
				if other.Process == s.Process && other.Port != s.Port && in.open(other.Port) && !in.incidental(other.Port) {
					tell(d.Place, fmt.Sprintf("door %q: %s is behind it, and listens on %s too, which is no door", d.Name, s.Process, other.Port))
				}
			}
		}
	}
}

func checkOpen(in input, tell report) {
	if in.host == nil || len(in.Doors) == 0 {
		return
	}
	var list []string
	for _, s := range in.host.Services {
		if in.open(s.Port) && !in.incidental(s.Port) {
			list = append(list, strings.TrimSuffix(s.Port.String()+" "+s.Process, " "))
		}
	}
	for _, t := range in.host.Published {
		if t.Port.Number == 0 || !in.host.here(t) || !in.open(t.Port) {
			continue
		}
		if !slices.ContainsFunc(in.host.Services, func(s Service) bool { return s.Port == t.Port }) {
			list = append(list, t.String()+" forwarded")
		}
	}
	if len(list) > 0 {
		tell(config.Place{File: in.Path}, "open to anyone who gets there: "+strings.Join(list, ", "))
	}
}

// incidental are UDP ports that a program has for asking, not for being asked.
func (in input) incidental(p packet.Port) bool {
	first, last := in.ephemeral()
	return p.Proto == packet.UDP && first <= p.Number && p.Number <= last
}

func (in input) ephemeral() (first, last uint16) {
	if in.host == nil || in.host.EphemeralLast == 0 {
		return defaultFirst, defaultLast
	}
	return in.host.EphemeralFirst, in.host.EphemeralLast
}

func checkEphemeral(in input, tell report) {
	first, last := in.ephemeral()
	within := func(p packet.Port) bool { return first <= p.Number && p.Number <= last }
	in.eachKnock(tell, within, fmt.Sprintf("%%s is among the ports of outgoing connections (%d-%d)", first, last))
	if in.Rotates() && in.Rotating.Last >= first && in.Rotating.First <= last {
		tell(config.Place{File: in.Path}, fmt.Sprintf("rotating: ports %d-%d are partly those of outgoing connections (%d-%d)", in.Rotating.First, in.Rotating.Last, first, last))
	}
}

// eachKnock tells of the knocks that are so, once for each sequence, and of the
// SPA port. The format has a place for the port.
func (in input) eachKnock(tell report, so func(packet.Port) bool, format string) {
	eachSequence(func(s static) string {
		if i := slices.IndexFunc(s.knocks, so); i >= 0 {
			return fmt.Sprintf(format, s.knocks[i])
		}
		return ""
	})(in, tell)
	for _, p := range in.SPA.Ports() {
		if !so(p) {
			continue
		}
		name := "the SPA port: "
		if p.Number == in.SPA.FwknopPort {
			name = "fwknop_port: "
		}
		tell(config.Place{File: in.Path}, name+fmt.Sprintf(format, p))
	}
}

func checkFiles(in input, tell report) {
	if in.host == nil {
		return
	}
	for _, f := range in.host.Files {
		at := config.Place{File: f.Path}
		switch {
		case f.Strange:
			tell(at, fmt.Sprintf("belongs to %s, who is neither root nor the daemon", f.Owner), remedy("chown root "+f.Path))
		case f.Mode&0o022 != 0:
			tell(at, fmt.Sprintf("others than %s may change it (mode %04o)", f.Owner, f.Mode), remedy("chmod go-w "+f.Path))
		case f.Secret && f.Mode&0o007 != 0:
			tell(at, fmt.Sprintf("everybody may read this secret (mode %04o)", f.Mode), remedy("chmod o-rwx "+f.Path+", and change the secret"))
		}
	}
}
