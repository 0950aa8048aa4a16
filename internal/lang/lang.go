// Package lang says things in the language of the reader: English or Japanese.
//
// The English text is the key of the table of the other language, so the code
// reads as plain English, and a text that is changed in one language only fails
// the tests. Names of reasons, rules, settings and commands are the same in both,
// and so is everything that programs read: logs, events, JSON.
//
// It is pure: the environment is handed in.
package lang

import (
	"fmt"
	"strings"
	"time"
)

// Lang is a language. The zero value is English.
type Lang string

// The languages, as in LANG and in the attribute of a page.
const (
	English  Lang = "en"
	Japanese Lang = "ja"
)

// Parse reads the name of a language, "en" or "ja".
func Parse(text string) (Lang, error) {
	switch l := Lang(text); l {
	case English, Japanese:
		return l, nil
	}
	return English, fmt.Errorf("language %q: want en or ja", text)
}

// FromEnvironment returns the language that the environment asks for, by the
// first that is set of LC_ALL, LC_MESSAGES and LANG (POSIX, "Environment
// Variables", 8.2). Another encoding than UTF-8 would spoil Japanese, so it gets
// English.
func FromEnvironment(getenv func(string) string) Lang {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		value := getenv(name)
		if value == "" {
			continue
		}
		locale, _, _ := strings.Cut(value, "@")
		locale, encoding, _ := strings.Cut(locale, ".")
		language, _, _ := strings.Cut(locale, "_")
		encoding = strings.ToLower(strings.ReplaceAll(encoding, "-", ""))
		if language == string(Japanese) && (encoding == "" || encoding == "utf8") {
			return Japanese
		}
		return English
	}
	return English
}

// Tag is the language as pages name it.
func (l Lang) Tag() string {
	if l == Japanese {
		return string(Japanese)
	}
	return string(English)
}

// Say returns a text. What the table does not have stays English.
func (l Lang) Say(english string) string {
	if l == Japanese {
		if text, ok := japanese[english]; ok {
			return text
		}
	}
	return english
}

// Sayf formats as fmt.Sprintf does.
func (l Lang) Sayf(english string, args ...any) string {
	if l == Japanese {
		return expand(l.Say(english), args)
	}
	return fmt.Sprintf(english, args...)
}

// expand is apart from Sayf, so that vet takes that for what it is and checks
// the arguments of its callers.
func expand(format string, args []any) string { return fmt.Sprintf(format, args...) }

// Layouts of times. In Japanese each has the day of the week where English has
// one, or where a date is written out.
const (
	Second = time.DateTime
	Whole  = time.DateOnly
	Minute = "Mon 2 Jan 2006 15:04"
	Short  = "2 Jan 15:04"
	Bar    = "Mon 2 Jan 15:04"
	Day    = "Mon 2"
	Date   = "2 Jan"
	Hour   = "15:04"
)

const weekday = "曜"

var japaneseLayouts = map[string]string{
	Second: "2006-01-02 (曜) 15:04:05",
	Whole:  "2006-01-02 (曜)",
	Minute: "2006-01-02 (曜) 15:04",
	Short:  "01-02 (曜) 15:04",
	Bar:    "01-02 (曜) 15:04",
	Day:    "2 (曜)",
	Date:   "01-02",
	Hour:   "15:04",
}

// Time writes a time in one of the layouts above.
func (l Lang) Time(t time.Time, layout string) string {
	if l != Japanese {
		return t.Format(layout)
	}
	day := []string{"日", "月", "火", "水", "木", "金", "土"}[t.Weekday()]
	return t.Format(strings.Replace(japaneseLayouts[layout], weekday, day, 1))
}
