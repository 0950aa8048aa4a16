package convert

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// Into is a configuration that a result is to become a part of. Nothing in it is
// changed: what would get in its way gets another name, or becomes a comment.
type Into struct {
	Config *config.Config
	Path   string // absolute, of the file for the result
	// Load returns the configuration as it would be with a text in that file.
	Load func(text string) (*config.Config, error)
}

// nothing is where a result stands alone.
func nothing() *Into {
	return &Into{new(config.Config), importPath, func(text string) (*config.Config, error) { return config.Load(single(text), importPath) }}
}

// owner returns the door that has a port.
func (into *Into) owner(p packet.Port) *config.Door {
	i := slices.IndexFunc(into.Config.Doors, func(d config.Door) bool { return slices.Contains(d.Ports, p) })
	if i < 0 {
		return nil
	}
	return &into.Config.Doors[i]
}

// doors and people are the names that are given already. Doors and groups share
// theirs.
func (into *Into) doors() names {
	n := make(names)
	for _, d := range into.Config.Doors {
		n[d.Name] = true
	}
	for _, g := range into.Config.Groups {
		n[g.Name] = true
	}
	return n
}

func (into *Into) people() names {
	n := make(names)
	for _, c := range into.Config.Clients {
		n[c.Name] = true
	}
	return n
}

// setting is a line of [spa] to be.
type setting struct {
	key, value string
	comment    string // above it; may have several lines
	off        bool   // it is written as a comment
	line       int    // in what was written last
}

func (d *draft) set(key, value, comment string, off bool) {
	d.head = append(d.head, &setting{key: key, value: value, comment: comment, off: off})
}

// writeHead writes [spa], if anything is to be set there.
func (d *draft) writeHead(w *writer) {
	if len(d.head) == 0 {
		return
	}
	sign := "# "
	if slices.ContainsFunc(d.head, func(s *setting) bool { return !s.off }) {
		sign = ""
	}
	w.printf("\n%s[spa]\n", sign)
	for _, s := range d.head {
		w.comment(s.comment)
		s.line = w.line
		if s.off {
			w.printf("# ")
		}
		w.printf("%s = %s\n", s.key, s.value)
	}
}

// correctHead makes a comment of the setting in a line. It reports whether there
// is one.
func (d *draft) correctHead(line int, why string) bool {
	for _, s := range d.head {
		if s.line == line && !s.off {
			s.off = true
			s.comment += "\n- It is a comment only, because it would be refused: " + why + "."
			return true
		}
	}
	return false
}

var doorTitle = regexp.MustCompile(`door ("(?:[^"\\]|\\.)*")`)

// lineOf returns the line of the draft that a mistake is about; 0: none. A
// mistake that shows in another file names the place, or the door.
func (d *draft) lineOf(m *config.Error) int {
	if m.Place.File == d.into.Path {
		return m.Place.Line
	}
	text := m.Err.Error()
	if _, after, found := strings.Cut(text, d.into.Path+":"); found {
		line, _ := strconv.Atoi(digits(after))
		return line
	}
	for _, title := range doorTitle.FindAllStringSubmatch(text, -1) {
		for _, p := range d.parts {
			if p.door != nil && !p.door.off && strconv.Quote(p.door.name) == title[1] {
				return p.door.first
			}
		}
	}
	return 0
}

// yield makes a comment of a door if a door of the configuration has one of its
// ports, and says how that one can have its sequence. It reports whether it did.
func (d *draft) yield(p *part) bool {
	for _, port := range p.door.ports {
		has := d.into.owner(port)
		if has == nil {
			continue
		}
		p.door.off = true
		head := fmt.Sprintf("%s is a port of door %q already (%s), so this one is a comment only.", port, has.Name, has.Place)
		switch {
		case p.door.knocks == nil:
			p.note(p.line, "%s", head)
		case slices.Equal(p.door.knocks, has.Sequence):
			p.note(p.line, "%s That door has the same sequence: there is nothing to do.", head)
		default:
			p.note(p.line, "%s %s:\n%s", head, adopting(p.door, has), adopt(p.door, has.Name))
		}
		return true
	}
	return false
}

// adopting says what it would mean for a door to have the sequence of another.
func adopting(from *door, to *config.Door) string {
	text := "To open that door with this sequence"
	if to.Sequence != nil {
		text = "That door has a sequence of its own, which this would replace"
	}
	if more := slices.DeleteFunc(slices.Clone(to.Ports), func(p packet.Port) bool { return slices.Contains(from.ports, p) }); len(more) > 0 {
		text += fmt.Sprintf(" (it guards %s, too, which the sequence would open)", strings.Join(packet.Spell(more), ", "))
	}
	return text
}

// adopt writes the commands that give a door the sequence of another.
func adopt(from *door, name string) string {
	words := make([]string, len(from.knocks))
	for i, p := range from.knocks {
		words[i] = p.String()
	}
	text := fmt.Sprintf("  sallyport config set door.%s.sequence %s", name, strings.Join(words, ","))
	if from.within > 0 {
		text += fmt.Sprintf("\n  sallyport config set door.%s.within %s", name, strings.Trim(tomlDuration(from.within), `"`))
	}
	return text
}
