// Package plainjson writes plain values as JSON, byte for byte as encoding/json does
// with an indent of two spaces and without escapes for HTML. It knows structs, slices,
// text, numbers and booleans, which is all that the client prints, and adds a
// tenth of what encoding/json adds to a program for a router.
package plainjson

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Indented returns a value as JSON on lines of its own, with a line feed at the end.
// It panics for types that the package does not know.
func Indented(v any) []byte {
	return append(appendValue(nil, reflect.ValueOf(v), "\n"), '\n')
}

// appendValue appends one value. A line of what is inside begins with newline and two
// spaces.
func appendValue(b []byte, v reflect.Value, newline string) []byte {
	if t, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := t.MarshalText()
		if err != nil {
			panic(fmt.Sprintf("%T as text: %v", t, err))
		}
		return appendString(b, string(text))
	}
	switch {
	case v.Kind() == reflect.String:
		return appendString(b, v.String())
	case v.Kind() == reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case v.CanInt():
		return strconv.AppendInt(b, v.Int(), 10)
	case v.CanUint():
		return strconv.AppendUint(b, v.Uint(), 10)
	case v.CanFloat():
		return appendFloat(b, v.Float())
	case v.Kind() == reflect.Slice && v.IsNil():
		return append(b, "null"...)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		return appendSlice(b, v, newline)
	case v.Kind() == reflect.Struct:
		return appendStruct(b, v, newline)
	}
	panic("plainjson does not know " + v.Type().String())
}

func appendSlice(b []byte, v reflect.Value, newline string) []byte {
	if v.Len() == 0 {
		return append(b, "[]"...)
	}
	inside, separator := newline+"  ", "["
	for i := range v.Len() {
		b = append(b, separator+inside...)
		b = appendValue(b, v.Index(i), inside)
		separator = ","
	}
	return append(b, newline+"]"...)
}

// appendStruct appends the fields that have a name in a tag.
func appendStruct(b []byte, v reflect.Value, newline string) []byte {
	inside, separator := newline+"  ", "{"
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name == "" {
			panic(v.Type().String() + " has a field without a name for JSON")
		}
		if name == "-" || omitted(v.Field(i), options) {
			continue
		}
		b = append(b, separator+inside...)
		b = append(appendString(b, name), ": "...)
		b = appendValue(b, v.Field(i), inside)
		separator = ","
	}
	if separator == "{" {
		return append(b, "{}"...)
	}
	return append(b, newline+"}"...)
}

func omitted(v reflect.Value, options string) bool {
	switch options {
	case "omitzero":
		if z, ok := v.Interface().(interface{ IsZero() bool }); ok {
			return z.IsZero()
		}
		return v.IsZero()
	case "omitempty":
		if v.Kind() == reflect.Slice {
			return v.Len() == 0
		}
		return v.Kind() != reflect.Struct && v.IsZero()
	}
	return false
}

// appendFloat appends a number in the shortest way, as ECMAScript does (and so
// encoding/json): with an exponent where it is very small or very large.
func appendFloat(b []byte, f float64) []byte {
	abs := math.Abs(f)
	if abs == 0 || 1e-6 <= abs && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	return append(b, strings.Replace(text, "e-0", "e-", 1)...)
}

// appendString appends a string as RFC 8259 wants it; each byte that is not UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, `\ufffd`...)
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case strings.ContainsRune("\b\f\n\r\t", r):
			b = append(b, '\\', "btn_fr"[r-'\b'])
		case r < ' ' || r == '\u2028' || r == '\u2029':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
