//go:build linux && !client_only

package main

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
)

// poison puts a text wherever a value holds one.
func poison(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Uint64:
		v.SetUint(3)
	case reflect.Int:
		v.SetInt(3)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				poison(v.Field(i), text)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		poison(v.Index(0), text)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		poison(key, text)
		poison(value, text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	}
}

// Problems repeat what programs and files say, and so may every other word: a terminal
// acts on none of it.
func TestStatusIsInert(t *testing.T) {
	var s control.Status
	poison(reflect.ValueOf(&s).Elem(), "a\x1b[2J\u009b2J\u202eb")
	var b bytes.Buffer
	printStatus(&b, s, time.Now())
	if strings.ContainsAny(b.String(), "\x1b\u009b\u202e") || !strings.Contains(b.String(), `! a\x1b[2J`) {
		t.Errorf("%q", b.String())
	}
}
