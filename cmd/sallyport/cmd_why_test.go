package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWhy(t *testing.T) {
	path := keepEvents(t, someEvents())
	out, _, _ := call(t, "", "why", "alice", "--journal", path, "-c", "/nowhere")
	for _, want := range []string{"The daemon does not answer", `opened door "ssh" for 192.0.2.10 of client "alice"`, "Refused (forbidden-door), 1 time", "What to do: If it should, add the door"} {
		if !strings.Contains(out, want) {
			t.Errorf("why alice has no %q:\n%s", want, out)
		}
	}
	out, _, _ = call(t, "", "why", "203.0.113.9", "--journal", path, "-c", "/nowhere")
	if !strings.Contains(out, "no packet arrived") || !strings.Contains(out, "tcpdump -ni any host 203.0.113.9") {
		t.Errorf("why somebody of whom nothing came:\n%s", out)
	}
	out, _, _ = call(t, "", "why", "192.0.2.10", "--json", "--journal", path, "-c", "/nowhere")
	var answer why
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Reasons) != 1 || answer.Reasons[0].Count != 1 || len(answer.Events) != 2 {
		t.Errorf("as JSON: %+v, %v", answer, err)
	}
}
