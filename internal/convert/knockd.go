package convert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// What knockd does where its configuration is silent.
const (
	knockdWithin  = 25 * time.Second
	knockdOpenFor = 10 * time.Second
)

// untilClosed is how long a door stays open that knockd opens without end.
const untilClosed = time.Hour

const knockdIntro = `Imported from a configuration of knockd. Lines that begin with "-" say what is not as it was.

knockd opens ports in a firewall that keeps them closed. Sallyport closes them itself and never opens what another firewall drops. Therefore, in this order: start sallyport (while knockd runs, one knock opens both); let your firewall accept the ports of the doors from everybody; remove knockd.
Knocks are SYNs or UDP datagrams, IPv4 and IPv6 alike; the "knock" program works as before. Each grant ends by itself; connections that began in time go on.
A sequence can be overheard. "sallyport client add" gives people keys or sequences that change by themselves.`

// Knockd converts a knockd.conf. New sequences, where they are needed, come
// from fresh; without it doors that need one become comments. into may be nil.
func Knockd(text string, fresh Sequence, into *Into) (Result, error) {
	text, err := readText(text)
	if err != nil {
		return Result{}, err
	}
	sections, notes, err := readSections(text)
	if err != nil {
		return Result{}, err
	}
	if len(sections) == 0 {
		return Result{}, errors.New("has no [section]: want a configuration of knockd")
	}
	if into == nil {
		into = nothing()
	}
	k := knockd{draft: draft{intro: knockdIntro, fresh: fresh, into: into}, names: into.doors()}
	if len(notes) > 0 {
		k.parts = append(k.parts, &part{title: "Not understood:", notes: notes})
	}
	for i := range sections {
		k.read(&sections[i])
	}
	for _, c := range k.closings {
		k.explain(c)
	}
	return k.settle()
}

type knockd struct {
	draft
	names    names
	closings []closing
}

// closing is a section that closes ports.
type closing struct {
	part  *part
	ports []packet.Port
}

func (k *knockd) read(s *section) {
	p := &part{title: fmt.Sprintf("[%s], line %d", shown(s.name), s.line), line: s.line}
	k.parts = append(k.parts, p)
	if strings.EqualFold(s.name, "options") {
		readOptions(p, s)
		return
	}
	wanted := doorName(s.name)
	d := &door{name: k.names.take(wanted, "door"), within: knockdWithin}
	did := p.readCommands(s, d)
	_, sequence := s.get("SEQUENCE", "ONE_TIME_SEQUENCES")
	switch {
	case did == closes, did == unknown && !sequence:
		delete(k.names, d.name)
		k.closings = append(k.closings, closing{p, d.ports})
		return
	case len(d.ports) == 0:
		p.guess(s, d, did)
	}
	p.door = d
	p.readSequence(s, d, &k.draft)
	p.readRest(s, d)
	d.off = d.off || d.behind && len(d.to) == 0
	d.clamp(p)
	if !k.yield(p) {
		p.renamed(s.line, "door", wanted, d.name, k.into.doors())
		k.share(p)
	}
}

// readOptions explains the options for the whole of knockd.
func readOptions(p *part, s *section) {
	for _, o := range s.options {
		switch o.key {
		case "USESYSLOG", "LOGFILE":
			p.note(o.line, "%s: the daemon writes to the journal of systemd, and keeps its own: sallyport events.", strings.ToLower(o.key))
		case "PIDFILE":
			p.note(o.line, "pidfile: systemd knows the process; there is no file.")
		case "INTERFACE":
			name, _, _ := strings.Cut(strings.ReplaceAll(o.value, "#", " "), " ")
			p.note(o.line, "interface = %s: doors are closed, and knocks heard, on all interfaces but loopback. For this one only, add: [gate] interfaces = [%s]", shown(name), config.Quote(shown(name)))
		default:
			p.note(o.line, "The option %q is not known.", shown(o.key))
		}
	}
}

// explain reports why a section that closes what another one opens is not needed.
func (k *knockd) explain(c closing) {
	closes := func(p packet.Port) bool { return slices.Contains(c.ports, p) }
	for _, other := range k.parts {
		if other.door != nil && slices.ContainsFunc(other.door.ports, closes) {
			c.part.note(c.part.line, "Not needed: it closes what door %q opens, which closes by itself after %s. Knocking its sequence does nothing now. Who has a key can close before the time with sallyport close; you can with sallyport revoke.",
				other.door.name, tomlDuration(other.door.openFor))
			return
		}
	}
	c.part.note(c.part.line, "It opens no door. A section that only closes is not needed, because every grant ends by itself.")
}

// share turns a door into a comment whose ports another one has.
func (k *knockd) share(p *part) {
	for _, other := range k.parts {
		if other == p || other.door == nil || other.door.off {
			continue
		}
		if i := slices.IndexFunc(p.door.ports, func(q packet.Port) bool { return slices.Contains(other.door.ports, q) }); i >= 0 {
			p.door.off = true
			p.note(p.line, "%s is opened by %s already. A port belongs to one door, and a door has one sequence. Give each person a secret of their own: sallyport client add.", p.door.ports[i], other.title)
			return
		}
	}
}
