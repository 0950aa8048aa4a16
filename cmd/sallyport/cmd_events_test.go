//go:build linux && !client_only

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestEventsCommand(t *testing.T) {
	path := keepEvents(t, someEvents())
	for _, c := range []struct {
		args string
		want []string // in each line
	}{
		{"", []string{"start", "grant", "forbidden-door", "wrong-knock"}},
		{"--since 90m", []string{"forbidden-door", "wrong-knock"}},
		{"--until 150m", []string{"start"}},
		{"--source 192.0.2.0/24", []string{"grant", "forbidden-door"}},
		{"--source 2001:db8::1", []string{"wrong-knock"}},
		{"--client alice --kind refusal", []string{"forbidden-door"}},
		{"--kind grant,start", []string{"start", "grant"}},
		{"--reason wrong-knock,spa", []string{"grant", "wrong-knock"}},
		{"--door db", []string{"forbidden-door"}},
		{"-n 1", []string{"wrong-knock"}},
		{"--client nobody", nil},
	} {
		out, errs, status := call(t, "", append([]string{"events", "--journal", path}, strings.Fields(c.args)...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")[1:] // without the heading, or "No events."
		if status != 0 || len(lines) != len(c.want) {
			t.Errorf("events %s: status %d\n%s%s", c.args, status, out, errs)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("events %s: line %q has no %q", c.args, lines[i], want)
			}
		}
	}
}

func TestEventsAsJSON(t *testing.T) {
	path := keepEvents(t, someEvents())
	out, _, _ := call(t, "", "events", "--json", "--journal", path)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want 4:\n%s", len(lines), out)
	}
	for _, line := range lines {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"time", "kind", "door", "client", "source", "reason", "detail", "count"} {
			if _, there := fields[name]; !there {
				t.Errorf("no field %q in %s", name, line)
			}
		}
	}
	var last struct{ Detail string }
	if err := json.Unmarshal([]byte(lines[3]), &last); err != nil || last.Detail != hostileText {
		t.Errorf("the detail came back as %q, %v", last.Detail, err)
	}
}

func TestWrongQueries(t *testing.T) {
	path := keepEvents(t, nil)
	for _, args := range []string{
		"events --since yesterday", "events --until 2026-13-01", "events --source localhost", "events --source 10.0.0.0/40", "events --kind grants",
		"events --reason x';DROP", "events --format cef", "events --format ecs --json", "events -n -1", "events extra", "why", "why a b", "events --since 1h --until 2h", "findings --severity bad", "findings ack", "events verify --known 5",
		"report --since never", "report --since 1h --until 2h", "report --html - --json",
	} {
		if _, errs, status := call(t, "", append(strings.Fields(args), "--journal", path)...); status != exitUsage || !strings.HasPrefix(errs, "sallyport: ") {
			t.Errorf("%s: status %d, want %d: %s", args, status, exitUsage, errs)
		}
	}
	for _, args := range [][]string{{"events", "--source", ""}, {"events", "--kind="}, {"events", "--client", "", "-f"}, {"why", ""}, {"why", "alice", "--since", ""}, {"report", "--since", ""}} {
		if _, errs, status := call(t, "", append(args, "--journal", path)...); status != exitUsage || !strings.Contains(errs, "is empty") {
			t.Errorf("%q: status %d: %s", args, status, errs)
		}
	}
	if out, _, status := call(t, "", "events", "--client", "nobody", "--journal", path); status != 0 || out != "No events.\n" {
		t.Errorf("nothing found: status %d: %q", status, out)
	}
	if out, _, _ := call(t, "", "events", "--client", "nobody", "--json", "--journal", path); out != "" {
		t.Errorf("nothing found, as JSON: %q", out)
	}
	if _, errs, status := call(t, "", "events", "--journal", path+".none"); status != exitFailed || !strings.Contains(errs, "hint: ") {
		t.Errorf("without a journal: status %d: %s", status, errs)
	}
}
