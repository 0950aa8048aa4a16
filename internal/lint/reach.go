package lint

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// Parts of examples.
const (
	cluster  = "[[door]]\nname = \"ingress\"\nports = [\"tcp/443\", \"tcp/30443\"]\nto = [\"10.91.0.200/32\"]\n"
	onEth0   = "[gate]\ninterfaces = [\"eth0\"]\n\n"
	unrouted = "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nto = [\"203.0.113.0/24\"]\n"
)

var (
	ownExample = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	balancer   = Forwarded{Port: port("tcp/443"), Last: 443, At: netip.MustParsePrefix("10.91.0.200/32"), By: "Kubernetes",
		To: netip.MustParseAddr("10.244.0.5"), Lands: port("tcp/8080")}
	redirected = Forwarded{Port: port("tcp/443"), Last: 443, Here: true, Lands: port("tcp/22")}
)

// reachRules are about ways by which packets get to a port, or do not.
var reachRules = []Rule{
	{
		Name: "translated-address", Group: Host, Severity: Warning,
		Summary: "the port of a door is translated at an address that is not this host's",
		Why: "A door is at the addresses of this host, and at those in its `to`. The load balancer of a cluster, or a router, may have " +
			"rules for others, and what is sent there is translated and forwarded without any knock.",
		Remedy: "add the address to `to` of the door if it can be reached from outside",
		Bad: Example{Config: strings.Replace(cluster, "to = [\"10.91.0.200/32\"]\n", "", 1),
			Host: &Facts{Own: ownExample, Published: []Forwarded{balancer}}},
		Good:  Example{Config: cluster, Host: &Facts{Own: ownExample, Published: []Forwarded{balancer}}},
		check: checkTranslated,
	},
	{
		Name: "leads-to-door", Group: Host, Severity: Warning,
		Summary: "another port leads to what a door guards",
		Why: "A rule translates packets to one port into packets to another, behind the place where doors are judged. Who goes there " +
			"reaches the service of the door, and need not knock.",
		Remedy: "add the other port to the door, or remove the rule",
		Bad:    Example{Config: spaPort + sshDoor + alice, Host: &Facts{Own: ownExample, Published: []Forwarded{redirected}}},
		Good: Example{Config: spaPort + "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\", \"tcp/443\"]\n" + alice,
			Host: &Facts{Own: ownExample, Published: []Forwarded{redirected}}},
		check: checkLeads,
	},
	{
		Name: "vrf", Group: Host, Severity: Warning,
		Summary: "there is a VRF, in which doors may be open",
		Why: "Whether a packet is for this host is a question to a routing table. Before Linux 6.16 that is the table of the interface by which it has come, and " +
			"only for the addresses of that very interface: what comes by another one of the VRF is taken for forwarded, and passes.",
		Remedy: "put the addresses of the interfaces in the VRF into `to` of each door",
		Bad:    Example{Config: spaPort + sshDoor + alice, Host: &Facts{VRFs: []string{"mgmt"}}},
		Good:   Example{Config: spaPort + strings.Replace(sshDoor, "ports", "to = [\"192.0.2.1/32\"]\nports", 1) + alice, Host: &Facts{VRFs: []string{"mgmt"}}},
		check: func(in input, tell report) {
			exposed := slices.ContainsFunc(in.Doors, func(d config.Door) bool { return len(d.To) == 0 })
			if in.host != nil && len(in.host.VRFs) > 0 && (exposed || in.Gate.Policy == config.PolicyAll) {
				tell(config.Place{File: in.Path}, fmt.Sprintf("interfaces may be in a VRF (%s): before Linux 6.16 doors are open at the address of one for what comes by another", strings.Join(in.host.VRFs, ", ")))
			}
		},
	},
	{
		Name: "missing-interface", Group: Host, Severity: Warning,
		Summary: "an interface that is named is not there, or is a part of another",
		Why: "`interfaces` of [gate] says where doors are closed: on all others they are open. An interface that is not there, because it was renamed or " +
			"mistyped, closes nothing; nor does a part of a bond or a port of a bridge, whose packets come by the bond or the bridge. Where the whole list closes nothing, " +
			"every door is open, which is an error.",
		Remedy: "write the names as `ip addr` has them for the addresses, or leave `interfaces` out: then all are gated, but for loopback",
		Bad:    Example{Config: onEth0 + spaPort + sshDoor + alice, Host: &Facts{Links: []string{"lo", "ens5"}}},
		Good:   Example{Config: onEth0 + spaPort + sshDoor + alice, Host: &Facts{Links: []string{"lo", "eth0"}}},
		check:  checkInterfaces,
	},
	{
		Name: "missing-moat", Group: Host, Severity: Warning,
		Summary: "an interface of the moat is not there",
		Why:     "`interfaces` of [moat] says where junk is dropped before it costs anything. On others it arrives in full.",
		Remedy:  "write the names as `ip link` has them, or leave `interfaces` out: then all physical ones have a moat",
		Bad:     Example{Config: "[moat]\ninterfaces = [\"eth0\"]\n\n" + spaPort + sshDoor + alice, Host: &Facts{Links: []string{"lo", "ens5"}}},
		Good:    Example{Config: "[moat]\ninterfaces = [\"ens5\"]\n\n" + spaPort + sshDoor + alice, Host: &Facts{Links: []string{"lo", "ens5"}}},
		check: func(in input, tell report) {
			if in.host == nil || in.host.Links == nil || in.Moat.Mode == config.MoatOff {
				return
			}
			for _, name := range in.host.missing(in.Moat.Interfaces) {
				tell(config.Place{File: in.Path}, fmt.Sprintf("no interface %s here: there is no moat on it", name))
			}
		},
	},
	{
		Name: "no-route", Group: Host, Severity: Warning,
		Summary: "no route leads to what a door guards behind this host",
		Why:     "A door with `to` guards what this host forwards there. Without a route it forwards nothing.",
		Remedy:  "correct `to`, or the routes",
		Bad:     Example{Config: unrouted, Host: &Facts{Unrouted: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}},
		Good:    Example{Config: unrouted, Host: &Facts{}},
		check: func(in input, tell report) {
			if in.host == nil {
				return
			}
			for _, d := range in.Doors {
				for _, p := range d.To {
					if slices.Contains(in.host.Unrouted, p) {
						tell(d.Place, fmt.Sprintf("door %q: no route of this host leads to %s", d.Name, p))
					}
				}
			}
		},
	},
	{
		Name: "untracked-port", Group: Host, Severity: Warning,
		Summary: "a rule keeps connections to a door from being tracked",
		Why: "A session goes on after its grant because connection tracking knows it. What is exempt (notrack) is judged packet by packet, and " +
			"is cut when the grant ends.",
		Remedy: "remove the rule for this port, or give the door an `open_for` as long as its sessions",
		Bad: Example{Config: spaPort + sshDoor + alice,
			Host: &Facts{Untracked: []Shut{{port("tcp/22"), "", `chain "PREROUTING" of table ip "raw"`}}}},
		Good: Example{Config: spaPort + sshDoor + alice, Host: &Facts{}},
		check: func(in input, tell report) {
			if in.host == nil {
				return
			}
			for _, s := range in.host.Untracked {
				if d := in.DoorAt(s.Port); d != nil {
					tell(d.Place, fmt.Sprintf("door %q: sessions through %s end with their grant, because %s keeps them from being tracked",
						d.Name, strings.TrimSpace(s.Port.String()+" "+s.Family), s.By))
				}
			}
		},
	},
	{
		Name: "other-guards", Group: Host, Severity: Info,
		Summary: "something else on this host shuts out sources",
		Why: "Sallyport only closes: a source that another program has banned does not get in with a grant either. A trap for scanners takes the knocks " +
			"of a sequence, which go to closed ports, for a scan; SPA is one packet.",
		Remedy: "let traps leave out the ports of knocks, or use SPA; and look there, too, when a grant does not help",
		Bad:    Example{Config: spaPort + sshDoor + alice, Host: &Facts{Guards: []Guard{{"fail2ban", `chain "f2b-sshd" of table ip "filter"`}}}},
		Good:   Example{Config: spaPort + sshDoor + alice, Host: &Facts{}},
		check: func(in input, tell report) {
			if in.host == nil || len(in.Doors) == 0 {
				return
			}
			for _, g := range in.host.Guards {
				tell(config.Place{File: in.Path}, fmt.Sprintf("%s (%s) may shut out a source that has a grant", g.Name, g.Where))
			}
		},
	},
	{
		Name: "shut-out-containers", Group: Host, Severity: Info,
		Summary: "containers of this host must knock, too",
		Why: "All interfaces but loopback are gated, the bridges of containers among them. A container that connects to a door at an address of this host, " +
			"such as a reverse proxy in front of a database, is dropped. (Containers that connect to each other are not concerned.)",
		Remedy: "add the network of the bridge to `trusted` in [gate] if they need a door",
		Bad:    Example{Config: spaPort + sshDoor + alice, Host: &Facts{Bridges: []Bridge{{"docker0", []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}}}}},
		Good: Example{Config: "[gate]\ntrusted = [\"172.17.0.0/16\"]\n\n" + spaPort + sshDoor + alice,
			Host: &Facts{Bridges: []Bridge{{"docker0", []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}}}}},
		check: checkContainers,
	},
}

// Exposed returns the problems by which a door does not guard what it seems to,
// on a host as it is.
func Exposed(cfg *config.Config, host *Facts) []Problem {
	rules := slices.DeleteFunc(slices.Clone(reachRules), func(r Rule) bool {
		return !slices.Contains([]string{"translated-address", "leads-to-door", "vrf", "missing-interface"}, r.Name)
	})
	return input{Config: cfg, host: host}.apply(rules)
}

// isOwn reports whether a prefix has addresses of this host; where these are
// not known, it has.
func (f *Facts) isOwn(p netip.Prefix) bool {
	return f.Own == nil || slices.ContainsFunc(f.Own, p.Overlaps)
}

// here reports whether a rule translates packets to this host.
func (f *Facts) here(t Forwarded) bool { return !t.At.IsValid() || f.isOwn(t.At) }

// covers reports whether a rule translates packets to a port.
func (t Forwarded) covers(p packet.Port) bool {
	return t.Port == packet.Port{} || t.Port.Proto == p.Proto && t.Port.Number <= p.Number && p.Number <= t.Last
}

// forwards reports whether packets to a port of this host are translated.
func (f *Facts) forwards(p packet.Port) bool {
	return slices.ContainsFunc(f.Published, func(t Forwarded) bool { return t.Port != packet.Port{} && t.covers(p) && f.here(t) })
}

// String names the ports, and where they are.
func (t Forwarded) String() string {
	text := "everything"
	if t.Port.Number != 0 {
		text = t.Port.String()
	}
	if t.Last > t.Port.Number {
		text += fmt.Sprint("-", t.Last)
	}
	if t.At.IsValid() {
		text += " at " + address(t.At)
	}
	return text
}

// address writes a prefix of one address without its length.
func address(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// guards reports whether a door is at a foreign address as well.
func guards(d *config.Door, at netip.Prefix) bool {
	return slices.ContainsFunc(d.To, func(p netip.Prefix) bool { return p.Bits() <= at.Bits() && p.Contains(at.Addr()) })
}

// checkTranslated: one problem for each port of a door.
func checkTranslated(in input, tell report) {
	if in.host == nil || in.host.Own == nil {
		return
	}
	for i := range in.Doors {
		d := &in.Doors[i]
		for _, p := range d.Ports {
			var at []string
			every := true
			for _, t := range in.host.Published {
				if t.At.IsValid() && t.covers(p) && !in.host.isOwn(t.At) && !guards(d, t.At) {
					at = append(at, strings.TrimSpace(address(t.At)+" "+t.By))
					every = every && t.Port == packet.Port{}
				}
			}
			if at = slices.Compact(at); len(at) == 0 {
				continue
			}
			severity := Warning
			if every { // a host behind this one has an address of its own, which may well be meant
				severity = Info
			}
			tell(d.Place, fmt.Sprintf("door %q: %s is translated at %s, no address of this host: there it is open", d.Name, p, some(at)), as(severity))
		}
	}
}

// some lists a few of many.
func some(list []string) string {
	const shown = 4
	if len(list) <= shown {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(list[:shown], ", "), len(list)-shown)
}

func checkLeads(in input, tell report) {
	if in.host == nil || in.host.Own == nil {
		return
	}
	for _, t := range in.host.Published {
		lands := cmp.Or(t.Lands, t.Port)
		d := in.DoorAt(lands)
		if t.Port == (packet.Port{}) || d == nil || t.Port == lands && in.host.here(t) || in.judged(t, d) {
			continue
		}
		to := netip.Prefix{}
		if t.To.IsValid() {
			to = netip.PrefixFrom(t.To, t.To.BitLen())
		}
		if t.Here || to.IsValid() && (in.host.isOwn(to) || guards(d, to)) {
			tell(d.Place, fmt.Sprintf("%s leads to %s, which door %q guards: nobody has to knock there", t, lands, d.Name))
		}
	}
}

// judged reports whether packets to the ports of a rule meet a door, or are
// dropped, before they are translated.
func (in input) judged(t Forwarded, d *config.Door) bool {
	if !in.host.here(t) {
		return t.Last == t.Port.Number && slices.Contains(d.Ports, t.Port) && guards(d, t.At)
	}
	for n := int(t.Port.Number); n <= int(t.Last); n++ {
		p := packet.Port{Proto: t.Port.Proto, Number: uint16(n)}
		if in.open(p) || in.Gate.Policy == config.PolicyAll && slices.Contains(in.Gate.Public, p) {
			return false
		}
	}
	return true
}

// missing returns the interfaces that are not there.
func (f *Facts) missing(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(f.Links, func(link string) bool { return config.IsInterface(name, link) })
	})
}

func checkInterfaces(in input, tell report) {
	if in.host == nil || in.host.Links == nil {
		return
	}
	var open []string
	for _, name := range in.Gate.Interfaces {
		if why := in.host.gatesNothing(name); why != "" {
			open = append(open, why)
		}
	}
	at := config.Place{File: in.Path}
	if len(open) > 0 && len(open) == len(in.Gate.Interfaces) {
		tell(at, fmt.Sprintf("nothing is gated (%s): every door is open", strings.Join(open, ", ")), as(Error))
		return
	}
	for _, why := range open {
		tell(at, why+": nothing is gated by it")
	}
}

// gatesNothing says why no packet comes by an interface that is named, or nothing.
func (f *Facts) gatesNothing(name string) (why string) {
	why = "no interface " + name + " here"
	for _, link := range f.Links {
		if !config.IsInterface(name, link) {
			continue
		}
		i := slices.IndexFunc(f.Parts, func(p Part) bool { return p.Name == link })
		if i < 0 {
			return ""
		}
		why = fmt.Sprintf("%s is a part of %s, by which its packets come", link, f.Parts[i].Of)
	}
	return why
}

func checkContainers(in input, tell report) {
	if in.host == nil || len(in.Doors) == 0 && in.Gate.Policy == config.PolicyDoors {
		return
	}
	for _, b := range in.host.Bridges {
		gated := len(in.Gate.Interfaces) == 0 || slices.ContainsFunc(in.Gate.Interfaces, func(pattern string) bool { return config.IsInterface(pattern, b.Name) })
		strangers := slices.DeleteFunc(slices.Clone(b.Networks), func(p netip.Prefix) bool {
			return slices.ContainsFunc(in.Gate.Trusted, func(t netip.Prefix) bool { return t.Bits() <= p.Bits() && t.Contains(p.Addr()) })
		})
		if gated && len(strangers) > 0 {
			words := make([]string, len(strangers))
			for i, p := range strangers {
				words[i] = p.String()
			}
			tell(config.Place{File: in.Path}, fmt.Sprintf("containers behind %s (%s) must knock at the doors of this host, like others", b.Name, strings.Join(words, ", ")))
		}
	}
}
