package convert

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// does is what is known of the commands of a section.
type does uint8

const (
	unknown does = iota // nothing, or something else than to open and close ports
	opens
	closes
)

// readCommands finds out what a section opens, and for how long. What it runs
// besides is proposed as hooks.
func (p *part) readCommands(s *section, d *door) does {
	start, _ := s.get("START_COMMAND", "COMMAND")
	six, hasSix := s.get("START_COMMAND_6", "COMMAND_6")
	if start.value == "" {
		start = six
	}
	rules, others := readCommands(start.value)
	did := unknown
	for _, r := range rules {
		p.readRule(start.line, r, d)
		if r.opens {
			did = opens
		} else if did == unknown {
			did = closes
		}
	}
	if hasSix && did == opens {
		p.compareFamilies(six, d)
	}
	stop, ok := s.get("STOP_COMMAND")
	if stop6, ok6 := s.get("STOP_COMMAND_6"); !ok {
		stop, ok = stop6, ok6
	}
	p.readTimeout(s, d, ok && stop.value != "", did == opens)
	if did == closes {
		for _, c := range others {
			p.note(start.line, "It runs %q, too. Sallyport runs commands as hooks of a door.", shown(c.String()))
		}
		return did
	}
	_, after := readCommands(stop.value)
	p.proposeHooks(d.name, "open", start.line, others)
	p.proposeHooks(d.name, "close", stop.line, after)
	return did
}

// readRule takes over what a rule opens, or the ports that it closes.
func (p *part) readRule(line int, r rule, d *door) {
	for _, port := range r.ports {
		if !slices.Contains(d.ports, port) {
			d.ports = append(d.ports, port)
		}
	}
	if more := len(d.ports) - maxPorts; more > 0 {
		p.note(line, "Of its ports %d are left out: a door has at most %d.", more, maxPorts)
		d.ports = d.ports[:maxPorts]
	}
	if r.trouble != "" {
		p.note(line, "Of the command, %s.", r.trouble)
	}
	if r.lasts > 0 {
		d.openFor = r.lasts
	}
	if !r.opens {
		return
	}
	if r.everybody && len(r.ports) > 0 {
		p.note(line, "The command lets in everybody; this door lets in only the source that has knocked.")
	}
	if r.nat {
		p.note(line, "The command translates addresses. Sallyport never does. %s", natRule)
	}
	if r.to.IsValid() && !slices.Contains(d.to, r.to) {
		d.to = append(d.to, r.to)
	} else if r.forward {
		p.note(line, `The command is about hosts behind this one: a door guards them too if their addresses are in its "to".`)
	}
	if r.chain != "" && len(r.ports) > 0 {
		d.behind = true
		p.note(line, "In %s a port is the one behind the translation (that of a container, or of a host behind this one). A door needs the port that the outside sees, which may be another one: correct it, and remove the signs where there are any.", shown(r.chain))
	}
}

// compareFamilies reports where the command for IPv6 does something else.
func (p *part) compareFamilies(six option, d *door) {
	if six.value == "" {
		p.note(six.line, "The door opens for IPv6 too, where knockd did nothing.")
		return
	}
	rules, _ := readCommands(six.value)
	for _, r := range rules {
		for _, port := range r.ports {
			if !slices.Contains(d.ports, port) {
				p.note(six.line, "For IPv6 it opened %s: add it to the ports, for both.", port)
			}
		}
	}
}

// readTimeout finds out how long a door is open.
func (p *part) readTimeout(s *section, d *door, stops, opens bool) {
	timeout, ok := s.get("CMD_TIMEOUT")
	switch {
	case stops && ok:
		d.openFor = seconds(timeout.value)
	case stops:
		d.openFor = knockdOpenFor
	case d.openFor == 0:
		d.openFor = untilClosed
		if opens {
			p.note(s.line, "knockd left the door open until another sequence closed it, or for ever. Here every grant ends; connections go on. open_for may be up to 24h, and is better short.")
		}
	}
}

// proposeHooks writes commands that are not about the firewall as hooks.
func (p *part) proposeHooks(door, on string, line int, commands []command) {
	for _, c := range commands {
		words := make([]string, len(c))
		for i, w := range c {
			words[i] = config.Quote(shown(w))
		}
		p.note(line, "It runs %q, which a hook can do, too: its program is an absolute path, no shell takes part, and the source is in the variable SALLYPORT_SOURCE.\n   [[hook]]\n   on      = [%s]\n   doors   = [%s]\n   command = [%s]",
			shown(c.String()), config.Quote(on), config.Quote(tidy(door)), strings.Join(words, ", "))
	}
}

// guess finds the port of a door in its name.
func (p *part) guess(s *section, d *door, did does) {
	port, ok := suggested(s.name)
	if !ok {
		d.off = true
		if did == unknown {
			p.note(s.line, "What it runs opens no port that is known here. If it opens one, this is its door, and needs its ports: add them and remove the signs. If it does something else, a hook of another door may do that.")
			return
		}
		p.note(s.line, "The command names no port that is understood, but a door needs its ports: add them and remove the signs.")
		return
	}
	d.ports = []packet.Port{port}
	if did == unknown {
		d.off = true
		p.note(s.line, "What it runs opens no port that is known here: %s is a guess by the name of the section. If it is right, remove the signs; if not, correct it.", port)
		return
	}
	p.note(s.line, "The command names no port that is understood: %s is a guess by the name of the section. A door has the ports that are listed, and no others.", port)
}

// readSequence takes over what is to be knocked.
func (p *part) readSequence(s *section, d *door, draft *draft) {
	if o, ok := s.get("ONE_TIME_SEQUENCES"); ok {
		d.oneTime = o.value
		p.note(o.line, "One-time sequences have another form here: sallyport import sequences %s -o /etc/sallyport/%s.sequences makes it. Then remove the sign before sequences_file.", shown(o.value), d.name)
		return
	}
	o, ok := s.get("SEQUENCE")
	if !ok {
		p.note(s.line, "It has no sequence: without a client, nothing opens this door.")
		return
	}
	knocks, err := readKnocks(o.value)
	if err != nil {
		if !draft.replace(p, err.Error()) {
			p.note(o.line, "The sequence is not understood: %s.", err)
		}
		return
	}
	d.knocks = knocks
}

// readRest takes over what is left of a section.
func (p *part) readRest(s *section, d *door) {
	if o, ok := s.get("SEQ_TIMEOUT", "TIMEOUT"); ok {
		d.within = seconds(o.value)
	}
	for _, o := range s.options {
		switch o.key {
		case "TCPFLAGS":
			p.readFlags(o)
		case "TARGET":
			to, err := readPrefix(o.value)
			if err != nil {
				p.note(o.line, "The target %s.", err)
				continue
			}
			d.to = append(d.to, to)
		case "SEQUENCE", "ONE_TIME_SEQUENCES", "SEQ_TIMEOUT", "TIMEOUT", "CMD_TIMEOUT", "COMMAND", "COMMAND_6",
			"START_COMMAND", "START_COMMAND_6", "STOP_COMMAND", "STOP_COMMAND_6":
		default:
			p.note(o.line, "The option %q is not known.", shown(o.key))
		}
	}
}

// readFlags reports where other packets than the usual ones were knocks.
func (p *part) readFlags(o option) {
	for flag := range strings.SplitSeq(strings.ToLower(o.value), ",") {
		switch strings.TrimSpace(flag) {
		case "syn", "!ack", "!fin", "!rst", "!psh", "!urg":
		default:
			p.note(o.line, "tcpflags = %s: here a TCP knock is a packet with SYN and no other flag, as the knock program and every connection attempt send it.", shown(o.value))
			return
		}
	}
}

// readKnocks reads a sequence of knockd: "7000,8000:udp,9000:tcp". As knockd
// does, it takes the digits of a port and ignores the rest, such as a remark
// (atoi in parse_port_sequence of knockd.c).
func readKnocks(text string) ([]packet.Port, error) {
	var list []packet.Port
	for word := range strings.SplitSeq(text, ",") {
		number, protocol, named := strings.Cut(strings.TrimSpace(word), ":")
		protocol, _, _ = strings.Cut(strings.TrimSpace(protocol), " ")
		protocol, _, _ = strings.Cut(protocol, "#")
		if !named {
			protocol = "tcp"
		}
		port, err := packet.ParsePort(strings.ToLower(protocol) + "/" + strings.TrimLeft(digits(strings.TrimSpace(number)), "0"))
		if err != nil {
			return nil, fmt.Errorf("%q is not a knock", shown(word))
		}
		list = append(list, port)
	}
	return list, nil
}

// digits returns those with which a text begins.
func digits(text string) string {
	if end := strings.IndexFunc(text, func(c rune) bool { return c < '0' || c > '9' }); end >= 0 {
		return text[:end]
	}
	return text
}
