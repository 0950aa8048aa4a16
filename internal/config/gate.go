package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport/internal/packet"
	"sallyport/internal/sequence"
)

// DefaultPath is where the configuration is unless the user says otherwise.
const DefaultPath = "/etc/sallyport/sallyport.toml"

// DefaultSocket is where the control socket is unless the configuration says otherwise.
const DefaultSocket = "/run/sallyport/control.sock"

// maxSocketPath is what the kernel takes: sun_path, unix(7), less the final NUL.
const maxSocketPath = 107

func (l *loader) readDaemon(t *table) {
	s := l.section("daemon", t)
	l.config.Daemon = Daemon{
		StateDir: readPath(s, "state_dir", "/var/lib/sallyport"),
		Socket:   readPath(s, "socket", DefaultSocket),
	}
	if n := len(l.config.Daemon.Socket); n > maxSocketPath {
		s.errorf(s.at("socket"), "socket has %d characters: want at most %d, the kernel's limit", n, maxSocketPath)
	}
	s.finish()
}

func (l *loader) readGate(t *table) {
	s := l.section("gate", t)
	l.gate = s
	l.config.Gate = Gate{
		Name:       readGateName(s),
		Policy:     Policy(s.choice("policy", string(PolicyDoors), string(PolicyAll))),
		Public:     readPorts(s, "public"),
		Closed:     Closed(s.choice("closed", string(ClosedDrop), string(ClosedReject))),
		Interfaces: list(s, "interfaces", `names of interfaces in quotes, such as ["eth0", "ppp*"]`, once(parsePattern)),
		Trusted:    list(s, "trusted", `addresses in quotes, such as ["192.168.1.0/24"]`, once(parseTrusted)),

		Timezone: readZone(s),

		RotationDue: s.days("rotation_due"),
	}
	checkPatterns(s, l.config.Gate.Interfaces)
	if l.config.Gate.Policy == PolicyDoors && !s.empty("public") {
		s.errorf(s.at("public"), `public means nothing with policy "doors", which closes doors only: remove it, or set policy = "all"`)
	}
	s.finish()
}

// readGateName reads what distinguishes the rotating sequences of this gate from
// those of others.
func readGateName(s *section) string {
	const want = `a name of 1 to 32 characters, a-z 0-9 . _ -, beginning with a letter or digit`
	v := s.scalar("name", unstable.String, want)
	if v == nil {
		return ""
	}
	if !ValidName(v.text) {
		s.bad("name", v, want)
	}
	return v.text
}

// maxPatterns bounds the patterns among the gated interfaces: each is a
// comparison in one rule, which can have 128.
const maxPatterns = 32

// checkPatterns bounds the patterns of a list.
func checkPatterns(s *section, names []string) {
	n := 0
	for _, name := range names {
		if strings.HasSuffix(name, "*") {
			n++
		}
	}
	if n > maxPatterns {
		s.errorf(s.at("interfaces"), "interfaces has %d names that end with *: want at most %d", n, maxPatterns)
	}
}

// IsInterface reports whether a name from the configuration stands for an
// interface: "ppp*" for every one whose name begins with "ppp".
func IsInterface(pattern, name string) bool {
	if start, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, start)
	}
	return pattern == name
}

// parsePattern accepts the name of an interface, or the beginning of one
// and a star. What other programs take for a pattern, or print behind a name, is
// no name here: it would stand for an interface that never comes.
func parsePattern(name string) (string, error) {
	start, all := strings.CutSuffix(name, "*")
	if all && start == "" {
		return "", errors.New(`"*" is every interface: leave interfaces out, which gates all but loopback`)
	}
	if i := strings.IndexAny(start, "*+@"); i > 0 {
		return "", fmt.Errorf(`%q is not the name of an interface: want a whole name, or its beginning and a star, such as "%s*"`, name, start[:i])
	}
	if _, err := parseInterface(start); err != nil {
		return "", err
	}
	return name, nil
}

// parseInterface accepts what the kernel takes for a name (dev_valid_name in
// net/core/dev.c), in ASCII.
func parseInterface(name string) (string, error) {
	if name == "lo" {
		return "", fmt.Errorf("%q is never gated: remove it", name)
	}
	ok := len(name) >= 1 && len(name) <= 15 && name != "." && name != ".."
	for _, c := range name {
		ok = ok && c > ' ' && c < 0x7f && !strings.ContainsRune("/:*+@", c)
	}
	if !ok {
		return "", fmt.Errorf("%q is not the name of an interface: want 1 to 15 characters other than spaces and / : * + @", name)
	}
	return name, nil
}

func parseTrusted(text string) (netip.Prefix, error) {
	p, err := parsePrefix(text)
	if err == nil && p.Bits() == 0 {
		err = fmt.Errorf("%q trusts every address, which leaves all doors open: name the networks that you trust", text)
	}
	return p, err
}

func (l *loader) readSPA(t *table) {
	s := l.section("spa", t)
	l.authorizedAt = s.at("authorized_keys")
	l.config.SPA = SPA{
		Port:           uint16(s.number("port", 65535)),
		ClockSkew:      s.duration("clock_skew", time.Minute, 10*time.Second, 10*time.Minute),
		Ack:            s.boolean("ack", true),
		ServerKey:      readPath(s, "server_key", l.config.Daemon.StateDir+"/server.key"),
		AuthorizedKeys: readPath(s, "authorized_keys", ""),
		RequireBound:   s.boolean("require_bound", false),
		STUN:           s.boolean("stun", false),

		FwknopPort:        uint16(s.number("fwknop_port", 65535)),
		FwknopOtherSource: s.boolean("fwknop_other_source", false),
	}
	if spa := l.config.SPA; spa.FwknopPort != 0 && spa.FwknopPort == spa.Port {
		s.errorf(s.at("fwknop_port"), "fwknop_port is the same as port: fwknop's packets need a port of their own")
	}
	switch spa := l.config.SPA; {
	case spa.STUN && spa.RequireBound:
		s.errorf(s.at("stun"), "stun and require_bound exclude each other: messages of browsers are never bound, as a page does not know its address")
	case spa.STUN && spa.Port == 0:
		s.errorf(s.at("stun"), "stun means nothing without a port: set port, or remove it")
	case spa.STUN && sequence.Refused(spa.Port):
		s.errorf(s.at("port"), "port = %d: browsers send nothing to this port: want another one with stun", spa.Port)
	}
	l.checkPublic(s)
	s.finish()
}

// checkPublic: packets to public ports are not looked at, so an SPA message to
// one would never be seen.
func (l *loader) checkPublic(spa *section) {
	for _, p := range l.config.Gate.Public {
		if l.config.SPA.is(p) {
			spa.errorf(spa.at("port"), "port %d is public as %s at %s: a port for messages must be closed", p.Number, p, l.gate.at("public"))
		}
	}
}

// is reports whether messages arrive at p.
func (s SPA) is(p packet.Port) bool { return slices.Contains(s.Ports(), p) }
