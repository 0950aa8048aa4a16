package manual

import (
	"io"
	"regexp"
	"strings"
	"time"
)

// ConfigurationPage is that of the configuration.
var ConfigurationPage = Page{"sallyport.toml", 5}

// WriteConfiguration makes the page of the configuration from its reference,
// where comments stand above what they are about.
func WriteConfiguration(w io.Writer, reference string, date time.Time) error {
	s := &sheet{w: w}
	s.title(ConfigurationPage, date, "the configuration of Sallyport")
	s.section("SYNOPSIS")
	s.line(".I %s\n.br\n.I /etc/sallyport/conf.d/*.toml", configurationFile)
	s.section("DESCRIPTION")
	entries := read(reference)
	for i, e := range entries {
		if e.table != "" {
			s.section(e.table)
		}
		switch {
		case len(e.keys) > 0:
			s.key(e)
		case i == 0:
			s.prose(strings.Join(trimLines(e.comment), "\n"))
			s.prose("\nEach section below is a table. Beside the name of a key stands an example, which need not be the default.")
		case e.comment != nil:
			s.line("%s", guard(escape(strings.Join(e.comment, " "))))
		}
	}
	s.section("EXAMPLES")
	s.line("A server that closes SSH, and one client who may open it:")
	s.example(smallest)
	s.section("FILES")
	s.item(bold("/usr/share/doc/sallyport/reference.toml"), "All of this as one file.")
	s.section("SEE ALSO")
	s.line("%s,\n%s,\n%s", Page{"sallyport", 1}.reference(), Page{"sallyport-check", 8}.reference(), Page{"sallyport-config", 8}.reference())
	return s.err
}

var smallest = []string{
	`[spa]`, `port = 40321`, ``, `[[door]]`, `name = "ssh"`, `ports = ["tcp/22"]`, ``,
	`[[client]]`, `name = "alice"`, `doors = ["ssh"]`, `key = "ssh-ed25519 AAAA... alice@laptop"`,
}

// entry is a comment with what stands under it.
type entry struct {
	table   string // the header, "[gate]"
	comment []string
	keys    []setting
}

type setting struct{ name, value, note string }

var (
	settingLine = regexp.MustCompile(`^([a-z0-9_]+) = (.*?)(?:  +# (.*))?$`)
	headerLine  = regexp.MustCompile(`^\[+[a-z]+\]+$`)
)

// read cuts the reference into entries. Comments above a header belong to its
// section; a key without a comment shares that of the key above it.
func read(reference string) (list []entry) {
	var comment []string
	for _, line := range strings.Split(reference, "\n") {
		m := settingLine.FindStringSubmatch(line)
		switch last := len(list) - 1; {
		case strings.HasPrefix(line, "#"):
			comment = append(comment, strings.TrimPrefix(line, "#"))
			continue
		case headerLine.MatchString(line):
			list = append(list, entry{table: line, comment: trimLines(comment)})
		case m != nil && comment == nil:
			list[last].keys = append(list[last].keys, setting{m[1], m[2], m[3]})
			continue
		case m != nil:
			list = append(list, entry{comment: trimLines(comment), keys: []setting{{m[1], m[2], m[3]}}})
		case line == "" && comment != nil:
			list = append(list, entry{comment: comment})
		}
		comment = nil
	}
	return list
}

func trimLines(lines []string) (list []string) {
	for _, l := range lines {
		list = append(list, strings.TrimSpace(l))
	}
	return list
}

// key writes the keys that share a comment.
func (s *sheet) key(e entry) {
	for i, k := range e.keys {
		if i == 0 {
			s.line(".TP")
		} else {
			s.line(".TQ")
		}
		s.line("%s = %s", bold(k.name), escape(short(k.value)))
	}
	text := strings.Join(e.comment, " ")
	for _, k := range e.keys {
		if k.note != "" {
			text += " " + capital(k.name) + ": " + k.note + "."
		}
	}
	s.line("%s", guard(escape(text)))
}

// short keeps an example on one line of 80 columns.
func short(value string) string {
	const most = 44
	if r := []rune(value); len(r) > most {
		return string(r[:most]) + "..."
	}
	return value
}
