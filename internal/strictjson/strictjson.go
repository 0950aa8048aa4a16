// Package strictjson reads JSON that others have written, so that all who read it
// understand the same: it is one value with nothing behind it, and no object has a field
// twice. Of two fields with one name, encoding/json takes the last, other readers the
// first, and what stands between them may have checked the other one (RFC 8259, section
// 4).
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

var errBehind = errors.New("there is something after the JSON value")

// Unmarshal reads a value of which every field is known to v.
func Unmarshal(text []byte, v any) error { return read(text, v, true) }

// Lenient reads a value that a later version may have written: what v does not know is
// passed over.
func Lenient(text []byte, v any) error { return read(text, v, false) }

func read(text []byte, v any, known bool) error {
	if err := once(text); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if known {
		d.DisallowUnknownFields()
	}
	return d.Decode(v)
}

// once refuses what is not one value, or has an object with a field twice.
func once(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // they are not looked at
	var open []within
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		top := len(open) - 1
		switch delim, _ := t.(json.Delim); {
		case delim == '{' || delim == '[':
			open = append(open, within{object: delim == '{'})
			continue
		case delim == '}' || delim == ']':
			open, top = open[:top], top-1
		case top >= 0 && open[top].object && !open[top].named:
			if err := open[top].name(t.(string)); err != nil { // the decoder lets nothing else stand there
				return err
			}
			continue
		}
		if top < 0 {
			break
		}
		open[top].named = false // that was the value
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errBehind
	}
	return nil
}

// within is an object or a list whose end is still to come.
type within struct {
	object bool
	named  bool // a name has been read, and its value comes next
	names  map[string]bool
}

// name notes the name of a field. encoding/json takes upper and lower case, and even
// the long s, for the same.
func (w *within) name(name string) error {
	folded := strings.ToLower(strings.ToUpper(name))
	if w.names[folded] {
		return fmt.Errorf("the field %q is there twice", name)
	}
	if w.names == nil {
		w.names = make(map[string]bool)
	}
	w.names[folded], w.named = true, true
	return nil
}
