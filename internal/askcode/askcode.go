// Package askcode holds the word that binds a person to what a device has asked for:
// six letters that the asker's own screen shows, that he reads out or sends on, and
// that the operator types. It decides nothing and grants nothing by itself.
//
// The letters are sixteen consonants: no digit that looks like a letter, no vowel that
// makes a word, and no two that are taken for one another in print. A code is 24 bits.
package askcode

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
)

// Size is how many bytes a code is made of.
const Size = 3

const (
	letters = "BCDFGHJKMPRTVWXY"
	length  = 2 * Size
)

// Code is one. It has no form that a log or an API would write: Show is for the
// screen of the asker.
type Code struct{ b [Size]byte }

// Of makes a code of bytes that nobody can foresee.
func Of(b [Size]byte) Code { return Code{b} }

// Random makes a code for those who have nothing to make one from.
func Random() Code {
	var c Code
	rand.Read(c.b[:]) // never fails: crypto/rand ends the program instead
	return c
}

// Show writes a code in two groups: "BCD FGH".
func (c Code) Show() string {
	var out [length + 1]byte
	for i := range length {
		at := i
		if i >= length/2 {
			at++
		}
		out[at] = letters[c.b[i/2]>>(4-4*(i%2))&0xf]
	}
	out[length/2] = ' '
	return string(out[:])
}

// String hides it, wherever it is printed by mistake.
func (c Code) String() string { return "(code)" }

// MarshalText refuses, so that no JSON ever holds one that was not meant to.
func (c Code) MarshalText() ([]byte, error) { return nil, errors.New("a code is not to be written") }

// Equal compares in constant time.
func (c Code) Equal(other Code) bool { return subtle.ConstantTimeCompare(c.b[:], other.b[:]) == 1 }

// Parse reads what people type: in capitals or not, with spaces and hyphens anywhere.
func Parse(text string) (Code, error) {
	var c Code
	n := 0
	for _, r := range text {
		if r == ' ' || r == '-' {
			continue
		}
		// Only ASCII becomes a letter: ToUpper makes "K" of the Kelvin sign.
		if r > 127 || !strings.ContainsRune(letters, upper(r)) {
			return Code{}, fmt.Errorf("a code has the letters %s only", letters)
		}
		if n == length {
			return Code{}, errLength
		}
		c.b[n/2] |= byte(strings.IndexByte(letters, byte(upper(r)))) << (4 - 4*(n%2))
		n++
	}
	if n != length {
		return Code{}, errLength
	}
	return c, nil
}

var errLength = fmt.Errorf("a code has %d letters", length)

func upper(r rune) rune {
	if 'a' <= r && r <= 'z' {
		return r - 'a' + 'A'
	}
	return r
}
