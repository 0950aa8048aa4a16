//go:build linux && !client_only

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestDoorRotate(t *testing.T) {
	s := newServer(t, handMade)
	var result rotatedDoor
	if err := json.Unmarshal([]byte(s.must("", "door", "rotate", "ssh", "--json")), &result); err != nil {
		t.Fatal(err)
	}
	d := s.load().Door("ssh")
	if len(d.Sequence) != 5 || len(d.Previous) != 3 || d.Previous[0].String() != "tcp/7000" || !d.PreviousUntil.Equal(result.PreviousUntil) || len(result.Sequence) != 5 || result.Sequence[4] != d.Sequence[4] {
		t.Errorf("%+v\n%+v", d, result)
	}
	if text := s.read(s.config); !strings.Contains(text, "] # keep it\n") || !strings.Contains(text, "# Bob has a phone.") {
		t.Errorf("comments are gone:\n%s", text)
	}
	out := s.must("", "door", "rotate", "ssh")
	if knocks := s.load().Door("ssh").Sequence; !strings.Contains(out, "sallyport knock HOST "+strings.Join(words(knocks), " ")+"\n") {
		t.Errorf("%s", out)
	}
}
