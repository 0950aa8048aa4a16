package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Setting is a key with its value, in TOML. Without a value the key is removed.
type Setting struct{ Key, Value string }

// Edit sets keys of the table, such as [[door]] or [gate], that stands at a line,
// and leaves everything else as it is, comments included. A key that is not
// there comes after the one that is set before it, or last. The result is not
// checked.
func Edit(text []byte, line int, settings ...Setting) ([]byte, error) {
	t, err := findTable(text, line)
	if err != nil {
		return nil, err
	}
	after := len(t.statements) - 1 // index of the statement that new ones follow
	for _, s := range settings {
		i := t.find(s.Key)
		switch {
		case i >= 0 && s.Value == "":
			t.statements[i].lines = nil
		case i >= 0:
			t.statements[i].set(s)
			after = i
		case s.Value != "":
			after++
			t.insert(after, statement{key: s.Key, lines: []string{s.Key + " = " + s.Value + "\n"}})
		}
	}
	return t.join(), nil
}

// RemoveTable returns a text without the table that stands at a line and without
// the comment directly above it.
func RemoveTable(text []byte, line int) ([]byte, error) {
	t, err := findTable(text, line)
	if err != nil {
		return nil, err
	}
	t.before, t.statements = t.before[:len(t.before)-1], nil
	for n := len(t.before); n > 0 && strings.HasPrefix(strings.TrimSpace(t.before[n-1]), "#"); n = len(t.before) {
		t.before = t.before[:n-1]
	}
	return t.join(), nil
}

// Value returns the value of a key, in TOML, of the table that stands at a line.
// ok is false where the key is not set.
func Value(text []byte, line int, key string) (value string, ok bool, err error) {
	t, err := findTable(text, line)
	if err != nil {
		return "", false, err
	}
	i := t.find(key)
	if i < 0 {
		return "", false, nil
	}
	return t.statements[i].value(), true, nil
}

// Section returns the line of the table [name], and 0 where there is none.
func Section(text []byte, name string) int {
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if inner, ok := strings.CutPrefix(strings.TrimSpace(line), "["); ok {
			if inner, ok = strings.CutSuffix(inner, "]"); ok && strings.TrimSpace(inner) == name {
				return i + 1
			}
		}
	}
	return 0
}

// Hide returns a text with the values of all keys that are secrets replaced by
// "…", and so are values that hold such keys.
func Hide(text []byte) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	var b bytes.Buffer
	secret := false // everything in this table is
	for len(lines) > 0 {
		line := strings.TrimSpace(lines[0])
		if line == "" || line[0] == '#' || line[0] == '[' {
			if line != "" && line[0] == '[' {
				secret = holdsSecret(tableOf(line))
			}
			b.WriteString(lines[0])
			lines = lines[1:]
			continue
		}
		key, n, err := extent(lines)
		if err != nil {
			n = 1
		}
		s := statement{key: key, lines: lines[:n]}
		if secret || err != nil || holdsSecret(values(lines[:n])) {
			s.set(Setting{key, `"…"`})
		}
		b.WriteString(strings.Join(s.lines, ""))
		lines = lines[n:]
	}
	return b.Bytes()
}

// hidden are the keys whose values are secrets, or may hold one.
var hidden = map[string]bool{"sequence": true, "sequence_previous": true, "rotating": true, "rotating_previous": true, "fwknop": true, "url": true, "command": true}

// tableOf returns what a header such as "[client.fwknop]" makes; nil if it is none.
func tableOf(header string) map[string]any { return values([]string{header}) }

func values(lines []string) map[string]any {
	found := make(map[string]any)
	if toml.Unmarshal([]byte(strings.Join(lines, "")), &found) != nil {
		return nil
	}
	return found
}

// holdsSecret reports whether a value has one of the hidden keys, at any depth.
func holdsSecret(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if hidden[key] || holdsSecret(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsSecret)
	}
	return false
}

// editedTable is the text of a table, and what is before and after it.
type editedTable struct {
	before, after []string // lines, with their ends
	statements    []statement
}

// statement is a key with its value, with the comments and empty lines before
// it.
type statement struct {
	key   string
	lead  []string
	lines []string // more than one where a list has several
}

var errNotEditable = errors.New("is not written as a table of its own ([[door]] or [[client]] on a line, a key on each line after it): change it by hand")

// findTable divides a file.
func findTable(text []byte, at int) (*editedTable, error) {
	lines := strings.SplitAfter(string(text), "\n")
	if at < 1 || at > len(lines) || !strings.HasPrefix(strings.TrimSpace(lines[at-1]), "[") {
		return nil, errNotEditable
	}
	t := &editedTable{before: lines[:at]}
	lines = lines[at:]
	var lead []string
	for len(lines) > 0 {
		line := strings.TrimSpace(lines[0])
		if strings.HasPrefix(line, "[") {
			break
		}
		if line == "" || line[0] == '#' {
			lead, lines = append(lead, lines[0]), lines[1:]
			continue
		}
		key, n, err := extent(lines)
		if err != nil {
			return nil, err
		}
		t.statements = append(t.statements, statement{key, lead, lines[:n]})
		lead, lines = nil, lines[n:]
	}
	t.after = append(lead, lines...)
	if n := len(t.statements); n > 0 { // what is added comes on a line of its own
		last := &t.statements[n-1].lines[len(t.statements[n-1].lines)-1]
		if !strings.HasSuffix(*last, "\n") {
			*last += "\n"
		}
	}
	return t, nil
}

// maxStatement is more lines than any value has that is to be changed here.
const maxStatement = 100

// extent returns the key of the statement at the beginning of the lines, and
// how many of them it has: as few as are valid TOML.
func extent(lines []string) (key string, n int, err error) {
	for n = 1; n <= min(len(lines), maxStatement); n++ {
		values := make(map[string]any)
		if toml.Unmarshal([]byte(strings.Join(lines[:n], "")), &values) != nil {
			continue
		}
		for k := range values {
			key = k
		}
		return key, n, nil
	}
	return "", 0, fmt.Errorf("%q has no end: %w", abbreviate(strings.TrimSpace(lines[0]), 20), errNotEditable)
}

func (t *editedTable) find(key string) int {
	for i, s := range t.statements {
		if s.key == key && s.lines != nil {
			return i
		}
	}
	return -1
}

func (t *editedTable) insert(i int, s statement) {
	t.statements = append(t.statements[:i], append([]statement{s}, t.statements[i:]...)...)
}

// set puts another value in the place of the present one, and keeps what is
// before it on the line, and a comment behind it.
func (s *statement) set(to Setting) {
	name, _, _ := strings.Cut(s.lines[0], "=")
	last := s.lines[len(s.lines)-1]
	s.lines = []string{name + "= " + to.Value + comment(s.lines) + last[len(strings.TrimRight(last, "\r\n")):]}
}

// value returns what stands behind the equals sign, without a comment.
func (s *statement) value() string {
	_, text, _ := strings.Cut(strings.Join(s.lines, ""), "=")
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimRight(text, "\r\n"), strings.TrimSpace(comment(s.lines))))
}

// comment returns the comment at the end of a statement, with a space before
// it. A # in a string is none: without what follows it the rest is not TOML.
func comment(lines []string) string {
	last := strings.TrimRight(lines[len(lines)-1], "\r\n")
	head := strings.Join(lines[:len(lines)-1], "")
	for i, c := range last {
		if c == '#' && toml.Unmarshal([]byte(head+last[:i]), new(map[string]any)) == nil {
			return " " + last[i:]
		}
	}
	return ""
}

func (t *editedTable) join() []byte {
	var b bytes.Buffer
	put := func(lines []string) {
		for _, line := range lines {
			b.WriteString(line)
		}
	}
	put(t.before)
	if n := len(t.before); n > 0 && !strings.HasSuffix(t.before[n-1], "\n") {
		b.WriteString("\n")
	}
	for _, s := range t.statements {
		put(s.lead)
		put(s.lines)
	}
	put(t.after)
	return b.Bytes()
}
