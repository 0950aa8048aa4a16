package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport/internal/phrase"
)

// section reads one table of known keys. Asking for a key makes it known, so
// what nobody has asked for in the end is what the configuration does not have.
type section struct {
	kind  string // "door"; empty for the document itself
	name  string // of the door or client; empty for others
	table *table
	known []string
	errs  *Errors
}

func (s *section) title() string {
	if s.name == "" {
		return s.kind
	}
	return fmt.Sprintf("%s %q", s.kind, s.name)
}

// errorf reports a mistake in this section.
func (s *section) errorf(at Place, format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if s.kind != "" {
		err = fmt.Errorf("%s: %w", s.title(), err)
	}
	s.errs.add(at, "%w", err)
}

// bad reports a wrong value and what would be right.
func (s *section) bad(key string, v *value, want string) {
	s.errorf(v.place, "%s = %s: want %s", key, v.written(), want)
}

// written shows a value about as it was written, cut where it is long.
func (v *value) written() string {
	switch {
	case v.table != nil:
		return "{…}"
	case v.kind == unstable.Array:
		return "[…]"
	case v.kind != unstable.String:
		return abbreviate(v.text, maxShown)
	}
	return strconv.Quote(abbreviate(v.text, maxShown))
}

// maxShown is how much of a value a message shows. No valid item of a list is
// longer.
const maxShown = 60

func abbreviate(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// at returns the place of a key, or that of the section if it is not set.
func (s *section) at(key string) Place {
	if v := s.table.values[key]; v != nil {
		return v.place
	}
	return s.table.place
}

// get returns the value of a key, or nil.
func (s *section) get(key string) *value {
	s.known = append(s.known, key)
	v := s.table.values[key]
	if v != nil {
		v.used = true
	}
	return v
}

// scalar returns the value of a key if it is of the kind, nil if it is not
// set, and nil after reporting it if it is something else.
func (s *section) scalar(key string, kind unstable.Kind, want string) *value {
	v := s.get(key)
	if v != nil && v.kind != kind {
		s.bad(key, v, want)
		return nil
	}
	return v
}

// finish reports the keys that nobody has asked for.
func (s *section) finish() {
	for key, v := range s.table.values {
		if v.used {
			continue
		}
		if near := phrase.Nearest(key, s.known); near != "" {
			s.errorf(v.place, "unknown key %q: did you mean %q?", abbreviate(key, maxShown), near)
		} else {
			s.errorf(v.place, "unknown key %q: want %s", abbreviate(key, maxShown), either(s.known))
		}
	}
}

// either lists alternatives: "a, b or c".
func either[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, w := range list {
		texts[i] = string(w)
	}
	slices.Sort(texts)
	last := len(texts) - 1
	if last == 0 {
		return texts[0]
	}
	return strings.Join(texts[:last], ", ") + " or " + texts[last]
}

func (s *section) boolean(key string, otherwise bool) bool {
	v := s.scalar(key, unstable.Bool, "true or false")
	if v == nil {
		return otherwise
	}
	return v.text == "true"
}

func (s *section) choice(key string, known ...string) string {
	quoted := make([]string, len(known))
	for i, w := range known {
		quoted[i] = strconv.Quote(w)
	}
	want := strings.Join(quoted, " or ")
	v := s.scalar(key, unstable.String, want)
	if v == nil {
		return known[0]
	}
	if !slices.Contains(known, v.text) {
		s.bad(key, v, want)
	}
	return v.text
}

// duration reads a duration between two limits, both allowed.
func (s *section) duration(key string, otherwise, least, most time.Duration) time.Duration {
	between := fmt.Sprintf("%s to %s", phrase.Duration(least), phrase.Duration(most))
	v := s.scalar(key, unstable.String, `a duration in quotes, such as "30s", `+between)
	if v == nil {
		return otherwise
	}
	d, err := phrase.ParseDuration(v.text)
	if err != nil {
		s.bad(key, v, `a duration such as "30s", `+between)
	} else if d < least || d > most {
		s.bad(key, v, between)
	}
	return d
}

// number reads an integer from 0 to most.
func (s *section) number(key string, most int64) int64 {
	want := fmt.Sprintf("0 to %d", most)
	v := s.scalar(key, unstable.Integer, "a number, "+want)
	if v == nil {
		return 0
	}
	n, err := strconv.ParseInt(v.text, 0, 64)
	if err != nil || n < 0 || n > most {
		s.bad(key, v, want)
		return 0
	}
	return n
}

// list reads an array of strings. If one of them is wrong, the list is nil.
func list[T any](s *section, key, want string, parse func(string) (T, error)) []T {
	v := s.get(key)
	if v == nil {
		return nil
	}
	if v.kind != unstable.Array {
		s.bad(key, v, want)
		return nil
	}
	values := make([]T, 0, len(v.items))
	for i := range v.items {
		item := &v.items[i]
		if item.kind != unstable.String || len(item.text) > maxShown {
			s.bad(key, item, want)
			continue
		}
		parsed, err := parse(item.text)
		if err != nil {
			s.errorf(item.place, "%s: %w", key, err)
			continue
		}
		values = append(values, parsed)
	}
	if len(values) < len(v.items) {
		return nil
	}
	return values
}

// once refuses to parse the same thing a second time.
func once[T comparable](parse func(string) (T, error)) func(string) (T, error) {
	seen := make(map[T]struct{})
	return func(text string) (T, error) {
		v, err := parse(text)
		if _, twice := seen[v]; twice && err == nil {
			return v, fmt.Errorf("%q is listed twice", text)
		}
		if err == nil {
			seen[v] = struct{}{}
		}
		return v, err
	}
}

// empty reports whether a key is not set, or set to an empty array.
func (s *section) empty(key string) bool {
	v := s.table.values[key]
	return v == nil || v.kind == unstable.Array && len(v.items) == 0
}
