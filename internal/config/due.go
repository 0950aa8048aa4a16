package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport/internal/lang"
)

const day = 24 * time.Hour

// days reads a number of days, "1d" to "3650d".
func (s *section) days(key string) time.Duration {
	const most = 3650
	want := fmt.Sprintf(`a number of days in quotes, such as "90d", 1d to %dd`, most)
	v := s.scalar(key, unstable.String, want)
	if v == nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(v.text, "d"), 10, 16)
	if err != nil || n < 1 || n > most || v.text != fmt.Sprintf("%dd", n) {
		s.bad(key, v, want)
	}
	return time.Duration(n) * day
}

// Overdue is a secret that should have been changed.
type Overdue struct {
	Door    string    // whose static sequence it is, or
	Client  string    // whose rotating secret
	Changed time.Time // zero: nobody knows
	Due     time.Time // when it should have been changed; zero with Changed
	Place   Place
}

// Command is what changes it.
func (o Overdue) Command() string {
	if o.Client != "" {
		return "sallyport client rotate " + o.Client
	}
	return "sallyport door rotate " + o.Door
}

// String is a sentence for people, without the place.
func (o Overdue) String() string { return o.In(lang.English) }

// In is the sentence in a language.
func (o Overdue) In(l lang.Lang) string {
	what := l.Sayf("the sequence of door %q", o.Door)
	if o.Client != "" {
		what = l.Sayf("the rotating secret of client %q", o.Client)
	}
	if o.Changed.IsZero() {
		return l.Sayf("nobody knows how old %s is, and rotation_due is set: %s, or set changed", what, o.Command())
	}
	return l.Sayf("%s is from %s and was to be changed by %s: %s", what, l.Time(o.Changed, lang.Whole), l.Time(o.Due, lang.Whole), o.Command())
}

// Overdue returns the secrets that are older than rotation_due, and those
// whose age nobody knows; none without rotation_due.
func (c *Config) Overdue(now time.Time) []Overdue {
	if c.Gate.RotationDue == 0 {
		return nil
	}
	var list []Overdue
	add := func(o Overdue) {
		if !o.Changed.IsZero() {
			o.Due = o.Changed.Add(c.Gate.RotationDue)
		}
		if !now.Before(o.Due) {
			list = append(list, o)
		}
	}
	for _, d := range c.Doors {
		if len(d.Sequence) > 0 {
			add(Overdue{Door: d.Name, Changed: d.Changed, Place: d.Place})
		}
	}
	for _, client := range c.Clients {
		if !client.Rotating.Current.IsZero() {
			add(Overdue{Client: client.Name, Changed: client.Changed, Place: client.Place})
		}
	}
	return list
}
