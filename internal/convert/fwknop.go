package convert

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// What fwknopd does where its configuration is silent.
const (
	fwknopOpenFor = 30 * time.Second
	fwknopMaxOpen = 5 * time.Minute
	fwknopPort    = 62201
)

const fwknopIntro = `Imported from the access.conf of fwknop. Lines that begin with "-" say what is not as it was.

Clients with an HMAC go on as they are: their keys are in this file, which nobody else may read. All others do not work with Sallyport: people knock with sallyport knock and an SSH key that they have, or make with sallyport keygen. Add them all (below) before sallyport is started. Do the same for the others when you can: fwknop's packets are weaker than our messages. A packet that names another address than its own is refused, unless fwknop_other_source is set.
fwknopd opens ports in a firewall that keeps them closed. Sallyport closes them itself and never opens what another firewall drops. Therefore, in this order: start sallyport; let your firewall accept the ports of the doors from everybody; remove fwknopd.`

// Fwknop converts an access.conf. Keys become part of the result only in the
// tables of clients that go on with them; passwords never do. into may be nil.
func Fwknop(text string, into *Into) (Result, error) {
	text, err := readText(text)
	if err != nil {
		return Result{}, err
	}
	stanzas, err := readStanzas(text)
	if err != nil {
		return Result{}, err
	}
	switch {
	case len(stanzas) == 1 && slices.ContainsFunc(stanzas[0].options, func(o option) bool { return o.key == "SPA_SERVER" }):
		return Result{}, errors.New("is the .fwknoprc of a client: want the access.conf of the server, which has the same keys")
	case len(stanzas) == 1:
		return Result{}, errors.New("has no SOURCE: want an access.conf of fwknop")
	}
	if into == nil {
		into = nothing()
	}
	f := fwknopFile{draft: draft{intro: fwknopIntro, into: into}, doors: make(map[packet.Port]*part), names: into.doors(), people: into.people(), bound: true, macs: make(map[[6]byte]bool)}
	before := &stanzas[0]
	if len(before.options) > 0 {
		p := &part{title: "Before the first stanza", line: before.line}
		p.explain(before)
		f.parts = append(f.parts, p)
	}
	var clients []*part
	for i := range stanzas[1:] {
		clients = append(clients, f.read(&stanzas[i+1]))
	}
	f.parts = append(f.parts, clients...)
	f.settings()
	return f.settle()
}

// settings fills [spa], as far as the configuration leaves it open.
func (f *fwknopFile) settings() {
	present, port := f.into.Config.SPA, strconv.Itoa(fwknopPort)
	switch {
	case f.carried > 0 && present.FwknopPort == 0:
		f.set("fwknop_port", port, "That of fwknopd, unless its UDPSERV_PORT or PCAP_FILTER says another. For our own messages set port, too, here or in your main file.", false)
	case f.carried == 0 && present.Port == 0:
		f.set("port", port, "That of fwknopd, for the firewalls on the way that let it through.", false)
	}
	switch {
	case present.RequireBound || !f.wantsBound:
	case f.bound && len(f.into.Config.Clients) == 0:
		f.set("require_bound", "true", "All stanzas had REQUIRE_SOURCE_ADDRESS.", false)
	default:
		f.set("require_bound", "true", "Some stanzas had REQUIRE_SOURCE_ADDRESS. Without this line their clients may leave it out, too; with it all must have it: remove the sign.", true)
	}
}

type fwknopFile struct {
	draft
	doors         map[packet.Port]*part // those that are in parts
	names, people names
	bound         bool // every stanza wants the source address in the message
	wantsBound    bool // one does
	carried       int  // clients that go on with their fwknop
	macs          map[[6]byte]bool
}

// timeout reads a time as fwknopd does: 0, or what is no number, is the default.
func (p *part) timeout(s *section, usual time.Duration, keys ...string) time.Duration {
	o, ok := s.get(keys...)
	if !ok {
		return usual
	}
	asked := seconds(o.value)
	t := min(asked, 24*time.Hour)
	if asked == 0 {
		t = usual
	}
	if t != asked {
		p.note(o.line, "%s is %s here in place of %s.", o.key, phrase.Duration(t), phrase.Duration(asked))
	}
	return t
}

// read makes doors of the ports of a stanza, and a client of its owner.
func (f *fwknopFile) read(s *section) *part {
	p := &part{title: fmt.Sprintf("The stanza in line %d", s.line), line: s.line}
	p.explain(s)
	openFor := p.timeout(s, fwknopOpenFor, "FW_ACCESS_TIMEOUT", "CMD_CYCLE_TIMER")
	doors := f.doorsOf(p, s, openFor)
	// fwknopd looks at the first letter (add_acc_bool in access.c).
	if o, ok := s.get("REQUIRE_SOURCE_ADDRESS", "REQUIRE_SOURCE"); !ok || !strings.HasPrefix(strings.ToUpper(o.value), "Y") {
		f.bound = false
	} else {
		f.wantsBound = true
		p.note(o.line, "REQUIRE_SOURCE_ADDRESS: require_bound in [spa] asks the same of all clients, and is set if all stanzas had it.")
	}
	if o, ok := s.get("DESTINATION"); ok && isAny(o.value) {
		p.note(o.line, "DESTINATION: a knock may go to any address of this host, as before.")
	} else if ok {
		p.note(o.line, "DESTINATION: here a knock may go to any address of this host. A door may guard hosts behind it, too (to).")
	}
	p.cycle(s, doors)
	p.tail = f.enrol(p, s, doors, openFor)
	return p
}

// doorsOf returns the names of the doors of a stanza's ports. Where the
// configuration has one it is that, but for one that opens more than the stanza.
func (f *fwknopFile) doorsOf(p *part, s *section, openFor time.Duration) (list []string) {
	ports := f.ports(p, s)
	asked := make(map[string]bool)
	for _, port := range ports {
		has := f.into.owner(port)
		switch {
		case has == nil:
			list = append(list, f.door(port, s.line, openFor))
			continue
		case asked[has.Name]:
			continue
		}
		asked[has.Name] = true
		if slices.ContainsFunc(has.Ports, func(q packet.Port) bool { return !slices.Contains(ports, q) }) {
			p.note(s.line, "%s is a port of door %q (%s), which opens more than this stanza did. It is left out: add that door to the client, or give the port a door of its own.", port, has.Name, has.Place)
			continue
		}
		p.note(s.line, "%s is a port of door %q already (%s), which the client may open for as long as that says.", port, has.Name, has.Place)
		list = append(list, has.Name)
	}
	return list
}

// maxOpenPorts bounds the ports of a stanza, each of which becomes a door.
const maxOpenPorts = 64

// ports reads OPEN_PORTS, without RESTRICT_PORTS: fwknopd never opens those
// (acc_check_port_access in access.c).
func (f *fwknopFile) ports(p *part, s *section) (list []packet.Port) {
	o, ok := s.get("OPEN_PORTS")
	if !ok {
		p.note(s.line, "Without OPEN_PORTS fwknopd opened whatever port a client asked for. Here a client opens doors: add a [[door]] for each port that it needs.")
		return nil
	}
	list, _ = p.portList(o)
	not, ok := s.get("RESTRICT_PORTS")
	if !ok {
		return list
	}
	forbidden, whole := p.portList(not)
	if !whole {
		p.note(not.line, "What RESTRICT_PORTS forbids is not known, so no port of OPEN_PORTS is taken over.")
		return nil
	}
	return slices.DeleteFunc(list, func(q packet.Port) bool {
		forbids := slices.Contains(forbidden, q)
		if forbids {
			p.note(not.line, "%s is left out: RESTRICT_PORTS forbids it.", q)
		}
		return forbids
	})
}

// portList reads tcp/22,udp/53. whole is false if something of it is not
// understood.
func (p *part) portList(o option) (list []packet.Port, whole bool) {
	whole = true
	for word := range strings.SplitSeq(o.value, ",") {
		protocol, number, _ := strings.Cut(strings.TrimSpace(word), "/")
		protocols, err := readProtocols(protocol)
		var ports []packet.Port
		if err == nil {
			ports, err = readPorts(number, protocols...)
		}
		if err != nil {
			p.note(o.line, "Of %s, %s.", o.key, err)
			whole = false
			continue
		}
		for _, port := range ports {
			if !slices.Contains(list, port) && len(list) < maxOpenPorts {
				list = append(list, port)
			}
		}
	}
	return list, whole
}

// door returns the name of the door of a port, which it makes if there is none
// yet. The longest time that a stanza gives is that of the door; the others
// become limits of the clients.
func (f *fwknopFile) door(port packet.Port, line int, openFor time.Duration) string {
	p, ok := f.doors[port]
	if !ok {
		name := f.names.take(serviceName(port), "door")
		p = &part{
			title: fmt.Sprintf("%s, first in line %d", port, line),
			line:  line,
			door:  &door{name: name, ports: []packet.Port{port}},
		}
		p.renamed(line, "door", serviceName(port), name, f.into.doors())
		f.doors[port] = p
		f.parts = append(f.parts, p)
	}
	p.door.openFor = max(p.door.openFor, openFor)
	return p.door.name
}

// explain reports what becomes of options that are not carried over, once for
// each explanation.
func (p *part) explain(s *section) {
	said := make(map[string]int)
	for _, o := range s.options {
		text, ok := known[o.key]
		switch at, again := said[text]; {
		case !ok:
			p.note(o.line, "The option in line %d is not known.", o.line)
		case text == "":
		case again:
			n := &p.notes[at]
			if names, rest, _ := strings.Cut(n.Text, ": "); !slices.Contains(strings.Split(names, ", "), o.key) {
				n.Text = names + ", " + o.key + ": " + rest
			}
		default:
			said[text] = len(p.notes)
			p.note(o.line, "%s: %s", o.key, text)
		}
	}
}

// cycle turns commands that fwknopd runs into hooks.
func (p *part) cycle(s *section, doors []string) {
	name := "NAME"
	if len(doors) > 0 {
		name = doors[0]
	}
	for _, c := range []struct{ key, on string }{{"CMD_CYCLE_OPEN", "open"}, {"CMD_CYCLE_CLOSE", "close"}} {
		o, ok := s.get(c.key)
		if !ok || o.value == "" || o.value == "NONE" {
			continue
		}
		rules, others := readCommands(o.value)
		if len(rules) > 0 {
			p.note(o.line, "%s changes the firewall: the doors do that.", c.key)
		}
		p.proposeHooks(name, c.on, o.line, others)
	}
}

// enrol writes the command that lets the owner of a stanza in.
func (f *fwknopFile) enrol(p *part, s *section, doors []string, openFor time.Duration) string {
	user, _ := s.get("REQUIRE_USERNAME")
	name := f.people.take(user.value, "client-"+strconv.Itoa(len(f.people)+1))
	p.renamed(s.line, "client", user.value, name, f.into.people())
	c := client{name: name, doors: doors}
	words := []string{"sallyport", "client", "add", name, "--key", name + ".pub"}
	if len(doors) == 0 {
		doors = []string{"NAME"}
	}
	for _, d := range doors {
		words = append(words, "--door", d)
	}
	sources, anywhere := p.sources(s)
	for _, prefix := range sources {
		words = append(words, "--from", prefix.String())
		c.from = append(c.from, prefix.String())
	}
	if len(sources) == 0 && !anywhere {
		words = append(words, "--from", unread)
		c.from = append(c.from, unread)
	}
	most := openFor
	if _, ok := s.get("MAX_FW_TIMEOUT"); ok {
		most = p.timeout(s, fwknopMaxOpen, "MAX_FW_TIMEOUT")
	}
	words = append(words, "--max-open", strings.Trim(tomlDuration(most), `"`))
	if date := p.expiry(s); date != "" {
		words = append(words, "--expires", date)
		c.expires = date
	}
	c.maxOpen = min(max(most, time.Second), 24*time.Hour)
	carried, err := f.carry(s, c)
	if err == nil {
		p.client = carried
		p.note(s.line, "This client goes on with its fwknop. When the person has an SSH key, add it here (key), and remove fwknop when it is not used any more.")
		return ""
	}
	o, _ := s.get("KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64")
	p.note(max(o.line, s.line), "The client cannot go on with its fwknop: %s. Its keys are not carried over, nor repeated here.", err)
	text := "To let this client in, with the public SSH key of the person:\n  "
	if slices.Contains(words, unread) {
		text = "To let this client in, with the public SSH key of the person, when you have filled in what stands here as " + unread + ":\n  "
	}
	return text + strings.Join(words, " ")
}

// unread stands for a restriction that is not understood. No command accepts it:
// to leave the restriction out would let in more than before.
const unread = "…"

// sources reads the addresses that a stanza is for, or reports that it is for
// all of them.
func (p *part) sources(s *section) (list []netip.Prefix, anywhere bool) {
	o, _ := s.get("SOURCE")
	for word := range strings.SplitSeq(o.value, ",") {
		word = strings.TrimSpace(word)
		if isAny(word) {
			return nil, true
		}
		prefix, err := readPrefix(word)
		switch {
		case err != nil:
			p.note(o.line, "Of SOURCE, %s.", err)
		case prefix.Bits() == 0:
			return nil, true
		default:
			list = append(list, prefix)
		}
	}
	return list, false
}

// isAny reports whether a list of addresses leaves out none.
func isAny(list string) bool { return strings.EqualFold(list, "ANY") }

// expiry returns the day from which the stanza is not valid any more; unread if
// it has one that is not understood. The last one counts, as for fwknopd.
func (p *part) expiry(s *section) string {
	day, has := s.get("ACCESS_EXPIRE")
	epoch, hasEpoch := s.get("ACCESS_EXPIRE_EPOCH")
	switch {
	case !has && !hasEpoch:
		return ""
	case epoch.line > day.line:
		if at, err := strconv.ParseUint(epoch.value, 10, 33); err == nil {
			return time.Unix(int64(at), 0).UTC().Format(time.RFC3339)
		}
		p.note(epoch.line, "ACCESS_EXPIRE_EPOCH is not understood: want seconds since 1970.")
	default:
		if at, err := time.Parse("1/2/2006", day.value); err == nil {
			return at.Format(time.DateOnly)
		}
		p.note(day.line, "ACCESS_EXPIRE is not understood: want MM/DD/YYYY.")
	}
	return unread
}
