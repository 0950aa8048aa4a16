package convert

import (
	"fmt"
	"strings"
)

// section is a part of knockd.conf: [name] and the options that follow.
type section struct {
	name    string
	line    int
	options []option
}

// option is one line of a configuration: a name and, mostly, a value.
type option struct {
	key   string // in capitals
	value string
	line  int
}

// get returns the last value of the first of the keys that is there, as knockd
// takes it.
func (s *section) get(keys ...string) (option, bool) {
	for _, key := range keys {
		for i := len(s.options) - 1; i >= 0; i-- {
			if s.options[i].key == key {
				return s.options[i], true
			}
		}
	}
	return option{}, false
}

// readSections reads knockd.conf. What it does not understand becomes a note.
func readSections(text string) (list []section, notes []Note, err error) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			if len(list) == maxSections {
				return nil, nil, fmt.Errorf("line %d: more than %d sections", i+1, maxSections)
			}
			name := strings.TrimSpace(strings.TrimSuffix(line[1:], "]"))
			list = append(list, section{name: name, line: i + 1})
		case len(list) == 0:
			notes = append(notes, Note{i + 1, fmt.Sprintf("Line %d stands before any [section]: %q.", i+1, shown(line))})
		default:
			key, value, _ := strings.Cut(line, "=")
			last := &list[len(list)-1]
			last.options = append(last.options, option{strings.ToUpper(strings.TrimSpace(key)), strings.TrimSpace(value), i + 1})
		}
	}
	return list, notes, nil
}
