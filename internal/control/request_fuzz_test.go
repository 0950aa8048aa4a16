package control

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// Whatever is accepted as a request is one that the client could have written:
// written again and read again it is the same, so that nothing depends on how
// someone spelled it.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{
		"", "{}", `{"door":"ssh","source":"192.0.2.7","for":"1h"}`, `{"client":"alice","cut":true}`, `{"dry_run":true,"confirm":"60s"}`,
		`{"source":"fe80::1%eth0"}`, `{"source":""}{}`, `{"Door":"ssh","door":"web"}`, `{"for":"-1ns"}`, `null`, `[]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, request := range []any{&OpenRequest{}, &RevokeRequest{}, &ReloadRequest{}, &BanRequest{}, &UnbanRequest{}, &AckRequest{}, &ExerciseRequest{}} {
			if decode(bytes.NewReader(body), request) != nil {
				continue
			}
			text, err := json.Marshal(request)
			if err != nil {
				t.Fatalf("%T from %q cannot be written: %v", request, body, err)
			}
			again := reflect.New(reflect.TypeOf(request).Elem()).Interface()
			if err := decode(strings.NewReader(string(text)), again); err != nil {
				t.Fatalf("%T from %q is written as %s, which is refused: %v", request, body, text, err)
			}
			if !reflect.DeepEqual(again, request) {
				t.Fatalf("%T from %q: %+v is written as %s and read as %+v", request, body, request, text, again)
			}
		}
	})
}
