package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	// shown is how many mistakes the text of Errors lists: more than anybody
	// corrects at a time.
	shown = 20

	// maxErrors is how many are kept, so that a file of nothing but mistakes
	// costs no more memory than another.
	maxErrors = 1000
)

// Error is one mistake in the configuration.
type Error struct {
	Place Place
	Err   error // what is wrong and what would be right
}

// Error returns "file:line: what is wrong".
func (e *Error) Error() string { return e.Place.String() + ": " + e.Err.Error() }

// Unwrap returns the mistake without its place.
func (e *Error) Unwrap() error { return e.Err }

// Errors is every mistake found, up to a thousand, sorted by place; never empty.
type Errors []*Error

// Error lists the mistakes, one a line, and stops after twenty of them.
func (e Errors) Error() string {
	var b strings.Builder
	for i, mistake := range e {
		if i == shown {
			atLeast := ""
			if len(e) == maxErrors {
				atLeast = "at least "
			}
			fmt.Fprintf(&b, "\nand %s%d more", atLeast, len(e)-shown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(mistake.Error())
	}
	return b.String()
}

// Unwrap returns the mistakes, for errors.Is and errors.As.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, mistake := range e {
		list[i] = mistake
	}
	return list
}

func (e *Errors) add(place Place, format string, args ...any) {
	if len(*e) < maxErrors {
		*e = append(*e, &Error{Place: place, Err: fmt.Errorf(format, args...)})
	}
}

// twice reports a key that is set a second time.
func (e *Errors) twice(at Place, key string, first Place) {
	e.add(at, "%q is already set at %s", abbreviate(key, maxShown), first)
}

// sorted returns the mistakes as an error, or nil if there are none.
func (e Errors) sorted() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(strings.Compare(a.Place.File, b.Place.File), a.Place.Line-b.Place.Line)
	})
	return e
}
