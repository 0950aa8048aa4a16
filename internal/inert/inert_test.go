package inert

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// hostile holds what a terminal could act on, beside what it may show.
const hostile = "café \"quoted\" \x1b[2J\x1b]0;title\a\u009b31m\u202egnp.exe\u2066\r\n\x7f\xff\U000e0001 end"

func TestText(t *testing.T) {
	for _, plain := range []string{"", "tcp/22", "zażółć gęślą jaźń", "日本", `say "yes"`} {
		if got := Text(plain); got != plain {
			t.Errorf("%q became %q", plain, got)
		}
	}
	got := Text(hostile)
	for _, r := range got {
		if !strconv.IsPrint(r) {
			t.Errorf("%q is still in %q", r, got)
		}
	}
	if !strings.HasPrefix(got, `café "quoted" \x1b[2J`) || !strings.HasSuffix(got, " end") {
		t.Errorf("got %q", got)
	}
}

func TestJSONMeansTheSame(t *testing.T) {
	in, err := json.Marshal(map[string]string{"text": hostile})
	if err != nil {
		t.Fatal(err)
	}
	out := JSON(append(in, '\n'))
	for _, r := range string(out) {
		if r != '\n' && !strconv.IsPrint(r) {
			t.Errorf("%q is still in %q", r, out)
		}
	}
	var before, after map[string]string
	if err := json.Unmarshal(in, &before); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &after); err != nil || after["text"] != before["text"] {
		t.Errorf("got %q, %v; want %q", after["text"], err, before["text"])
	}
}
