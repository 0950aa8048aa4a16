package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

type sample struct {
	Name string   `json:"name"`
	List []sample `json:"list"`
	Any  any      `json:"any"`
}

func TestUnmarshal(t *testing.T) {
	for _, tt := range []struct{ text, refused string }{
		{`{"name":"a","list":[{"name":"b"},{"name":"c","list":[]}],"any":{"x":[1,"x",{"x":null}]}}`, ""},
		{`{"any":{"a":{"a":1},"b":{"a":1}},"name":"any"}`, ""}, // each object has its own
		{`null`, ""},
		{`{"name":"a","name":"a"}`, `"name" is there twice`},
		{`{"name":"a","list":[{"name":"b","any":{"name":1}}],"name":"a"}`, `"name" is there twice`},
		{`{"list":[{"name":"b"},{"any":1,"any":2}]}`, `"any" is there twice`},
		{`{"name":"a","NAME":"b"}`, `"NAME" is there twice`},
		{`{"list":[],"liſt":[]}`, `"liſt" is there twice`},
		{`{"name":"a","n\u0061me":"b"}`, `"name" is there twice`},
		{`{"any":[{"k":1,"\u212a":2}]}`, "is there twice"},
		{`{"other":1}`, "unknown field"},
		{`{} {}`, "something after"},
		{`{}]`, "something after"},
		{``, "unexpected EOF"},
		{`{"name":"a"`, "unexpected EOF"},
		{`{"name":"a",}`, "invalid character"},
		{`{"name"}`, "invalid character"},
		{`{1:2}`, "invalid character"},
		{`[1,2}`, "invalid character"},
		{`{"name":1}`, "cannot unmarshal"},
	} {
		var v sample
		switch err := Unmarshal([]byte(tt.text), &v); {
		case tt.refused == "" && err != nil:
			t.Errorf("%s: %v", tt.text, err)
		case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)):
			t.Errorf("%s: %v, want %s", tt.text, err, tt.refused)
		}
	}
	var v sample
	if err := Lenient([]byte(`{"name":"a","later":{"x":1}}`), &v); err != nil || v.Name != "a" {
		t.Errorf("%+v, %v", v, err)
	}
	if err := Lenient([]byte(`{"name":"a","later":{"x":1,"x":2}}`), &v); err == nil {
		t.Error("a field twice is taken where fields are passed over")
	}
}

// What is read is what encoding/json reads, and nothing beyond.
func FuzzUnmarshal(f *testing.F) {
	for _, text := range []string{`{"name":"a","list":[{"any":{}}]}`, `[[[{}]]]`, `1e400`, `"\ud800"`, `{"a":[1,{"b":2}],"a":3}`, `{"":1,"":2}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, want any
		if Lenient(text, &v) != nil {
			return
		}
		if err := json.Unmarshal(text, &want); err != nil || !reflect.DeepEqual(v, want) {
			t.Fatalf("%q is read as %v, want %v, %v", text, v, want, err)
		}
	})
}
