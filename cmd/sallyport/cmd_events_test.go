package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/journal"
)

const hostileText = "\x1b[2J\x1b]0;pwned\a<b>\u009b31m\u202egnp.exe\r\n2026-03-01 forged"

var visitor = netip.MustParseAddr("192.0.2.10")

// keepEvents writes a journal and returns its path.
func keepEvents(t *testing.T, events []event.Event, findings ...event.Finding) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	j := journal.New(path, journal.Options{Chain: true}, slog.New(slog.DiscardHandler))
	for _, e := range events {
		j.Put(e)
	}
	for _, f := range findings {
		j.PutFinding(f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return path
}

// command runs a command line in this process.
func command(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, stdio{strings.NewReader(""), &out, &errs})
	return out.String(), errs.String(), status
}

func someEvents() []event.Event {
	now := time.Now().Truncate(time.Second)
	return []event.Event{
		{Time: now.Add(-3 * time.Hour), Kind: event.KindStart, Detail: "1 door closed"},
		{Time: now.Add(-2 * time.Hour), Kind: event.KindGrant, Door: "ssh", Client: "alice", Source: visitor, Reason: event.BySPA},
		{Time: now.Add(-time.Hour), Kind: event.KindRefusal, Client: "alice", Door: "db", Source: visitor, Reason: event.ForbiddenDoor},
		{Time: now.Add(-time.Minute), Kind: event.KindRefusal, Source: netip.MustParseAddr("2001:db8::1"), Reason: event.WrongKnock, Detail: hostileText},
	}
}

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
		out, errs, status := command(t, append([]string{"events", "--journal", path}, strings.Fields(c.args)...)...)
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
	out, _, _ := command(t, "events", "--json", "--journal", path)
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

// Nothing that an attacker wrote reaches the terminal as anything but text.
func TestOutputIsInert(t *testing.T) {
	f := event.Finding{ID: hostileText, Rule: hostileText, Severity: event.Severity(hostileText), Source: visitor, Door: hostileText, Client: hostileText,
		First: time.Now(), Last: time.Now(), Count: 1, Explanation: hostileText, Advice: hostileText, Evidence: []string{hostileText}}
	events := []event.Event{{Time: time.Now(), Kind: event.KindRefusal, Door: hostileText, Client: hostileText, Source: visitor, Reason: event.Reason(hostileText), Detail: hostileText},
		{Time: time.Now(), Kind: event.KindGrant, Door: hostileText, Client: hostileText, Source: visitor, Detail: hostileText}}
	path := keepEvents(t, events, f)
	for _, args := range [][]string{
		{"events"}, {"events", "--json"}, {"events", "--format", "ocsf"}, {"events", "--format", "ecs"}, {"why", "192.0.2.10"}, {"why", "192.0.2.10", "--json"}, {"why", hostileText},
		{"findings"}, {"findings", "--json"}, {"findings", "ack", hostileText},
		{"report"}, {"report", "--json"}, {"report", "--html", "-"},
	} {
		out, errs, status := command(t, append(args, "--journal", path)...)
		if status != 0 {
			t.Errorf("%q: status %d: %s", args, status, errs)
		}
		for _, r := range out + errs {
			if r != '\n' && (r < ' ' || r >= 0x7f && !strconv.IsPrint(r)) {
				t.Errorf("%q prints %q", args, r)
				break
			}
		}
		if strings.Contains(out, "\n2026-03-01 forged") {
			t.Errorf("%q prints a forged line", args)
		}
	}
}

func TestWrongQueries(t *testing.T) {
	path := keepEvents(t, nil)
	for _, args := range []string{
		"events --since yesterday", "events --until 2026-13-01", "events --source localhost", "events --source 10.0.0.0/40", "events --kind grants",
		"events --reason x';DROP", "events --format cef", "events --format ecs --json", "events -n -1", "events extra", "why", "why a b", "events --since 1h --until 2h", "findings --severity bad", "findings ack", "events verify --known 5",
		"report --since never", "report --since 1h --until 2h", "report --html - --json",
	} {
		if _, errs, status := command(t, append(strings.Fields(args), "--journal", path)...); status != exitUsage || !strings.HasPrefix(errs, "sallyport: ") {
			t.Errorf("%s: status %d, want %d: %s", args, status, exitUsage, errs)
		}
	}
	for _, args := range [][]string{{"events", "--source", ""}, {"events", "--kind="}, {"events", "--client", "", "-f"}, {"why", ""}, {"why", "alice", "--since", ""}, {"report", "--since", ""}} {
		if _, errs, status := command(t, append(args, "--journal", path)...); status != exitUsage || !strings.Contains(errs, "is empty") {
			t.Errorf("%q: status %d: %s", args, status, errs)
		}
	}
	if out, _, status := command(t, "events", "--client", "nobody", "--journal", path); status != 0 || out != "No events.\n" {
		t.Errorf("nothing found: status %d: %q", status, out)
	}
	if out, _, _ := command(t, "events", "--client", "nobody", "--json", "--journal", path); out != "" {
		t.Errorf("nothing found, as JSON: %q", out)
	}
	if _, errs, status := command(t, "events", "--journal", path+".none"); status != exitFailed || !strings.Contains(errs, "hint: ") {
		t.Errorf("without a journal: status %d: %s", status, errs)
	}
}

func TestWhy(t *testing.T) {
	path := keepEvents(t, someEvents())
	out, _, _ := command(t, "why", "alice", "--journal", path, "-c", "/nowhere")
	for _, want := range []string{"The daemon does not answer", `opened door "ssh" for 192.0.2.10 of client "alice"`, "Refused (forbidden-door), 1 time", "What to do: If it should, add the door"} {
		if !strings.Contains(out, want) {
			t.Errorf("why alice has no %q:\n%s", want, out)
		}
	}
	out, _, _ = command(t, "why", "203.0.113.9", "--journal", path, "-c", "/nowhere")
	if !strings.Contains(out, "no packet arrived") || !strings.Contains(out, "tcpdump -ni any host 203.0.113.9") {
		t.Errorf("why somebody of whom nothing came:\n%s", out)
	}
	out, _, _ = command(t, "why", "192.0.2.10", "--json", "--journal", path, "-c", "/nowhere")
	var answer why
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Reasons) != 1 || answer.Reasons[0].Count != 1 || len(answer.Events) != 2 {
		t.Errorf("as JSON: %+v, %v", answer, err)
	}
}

func TestFindingsCommand(t *testing.T) {
	now := time.Now()
	path := keepEvents(t, nil,
		event.Finding{ID: "a1", Rule: "scan-fast", Severity: event.Low, Source: visitor, First: now, Last: now, Count: 1, Explanation: "somebody scans", Advice: "Nothing."},
		event.Finding{ID: "b2", Rule: "interception", Severity: event.Critical, Client: "alice", First: now.Add(-time.Hour), Last: now, Count: 3, Explanation: "somebody listens"})
	out, _, _ := command(t, "findings", "--journal", path)
	if !strings.HasPrefix(out, "CRITICAL  somebody listens\n  b2  interception  client alice, 3 times from") || !strings.Contains(out, "LOW  somebody scans") {
		t.Errorf("findings:\n%s", out)
	}
	if out, _, _ := command(t, "findings", "--severity", "high", "--journal", path); strings.Contains(out, "scans") {
		t.Errorf("high findings:\n%s", out)
	}
	if _, _, status := command(t, "findings", "ack", "b2", "--journal", path); status != 0 {
		t.Errorf("acknowledge: status %d", status)
	}
	if out, _, _ := command(t, "findings", "--journal", path); strings.Contains(out, "listens") {
		t.Errorf("an acknowledged finding is shown:\n%s", out)
	}
	if out, _, _ := command(t, "findings", "--all", "--journal", path); !strings.Contains(out, "listens (acknowledged)") {
		t.Errorf("all findings:\n%s", out)
	}
	if _, errs, status := command(t, "findings", "ack", "zz", "--journal", path); status != exitFailed || !strings.Contains(errs, `there is no finding "zz"`) {
		t.Errorf("acknowledge what is not there: status %d: %s", status, errs)
	}
}

func TestEventsVerify(t *testing.T) {
	path := keepEvents(t, someEvents())
	out, _, status := command(t, "events", "verify", "--journal", path)
	_, known, ok := strings.Cut(strings.TrimSpace(out), "latest: ")
	if status != 0 || !ok || !strings.HasPrefix(out, "4 events checked, 0 outside") {
		t.Fatalf("status %d:\n%s", status, out)
	}
	if _, errs, status := command(t, "events", "verify", "--known", known, "--journal", path); status != 0 {
		t.Errorf("what was printed is not known again: %s", errs)
	}
	if _, errs, status := command(t, "events", "verify", "--known", "4:0000000000000000", "--journal", path); status != exitFailed || !strings.Contains(errs, "was changed") {
		t.Errorf("another hash: status %d: %s", status, errs)
	}
}

func TestEveryKindHasAColor(t *testing.T) {
	for _, k := range event.Kinds() {
		if kindColors[k] == "" {
			t.Errorf("events of kind %q have no colour", k)
		}
	}
}

func TestWhen(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2h": "2026-03-10T10:00:00Z", "90s": "2026-03-10T11:58:30Z", "7d": "2026-03-03T12:00:00Z", "2w": "2026-02-24T12:00:00Z", "0s": "2026-03-10T12:00:00Z",
		"2026-03-01": "2026-03-01T00:00:00Z", "2026-03-01 12:30": "2026-03-01T12:30:00Z", "2026-03-01T12:30:00+01:00": "2026-03-01T11:30:00Z",
		"":    "0001-01-01T00:00:00Z",
		"-2h": "", "d": "", "-1d": "", "99999999d": "", "1.5d": "", "soon": "", "2026-02-31": "", "\x1b[2J": "",
	} {
		got, err := parseWhen("--since", text, now)
		if (err != nil) != (want == "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}

func TestColoursOnTerminalsOnly(t *testing.T) {
	path := keepEvents(t, someEvents())
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if status := run(t.Context(), []string{"events", "--journal", path}, stdio{nil, f, f}); status != 0 {
		t.Fatal(status)
	}
	out, err := os.ReadFile(f.Name())
	if err != nil || bytes.Contains(out, []byte("\x1b")) || len(out) == 0 {
		t.Errorf("%q, %v", out, err)
	}
}

func TestReportCommand(t *testing.T) {
	path := keepEvents(t, someEvents())
	text, _, status := command(t, "report", "--journal", path)
	if status != 0 || !strings.Contains(text, "1 grants (0 used), 2 knocks refused") {
		t.Errorf("status %d:\n%s", status, text)
	}
	page := filepath.Join(t.TempDir(), "report.html")
	if _, errs, status := command(t, "report", "--html", page, "--journal", path); status != 0 {
		t.Fatal(errs)
	}
	info, err := os.Stat(page)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() < 5000 {
		t.Errorf("%v, %v", info, err)
	}
	if _, errs, status := command(t, "report", "--html", "/nowhere/report.html", "--journal", path); status != exitFailed || !strings.Contains(errs, `write "/nowhere/report.html"`) {
		t.Errorf("status %d: %s", status, errs)
	}
	out, _, _ := command(t, "report", "--json", "--since", "150m", "--journal", path)
	var s struct {
		Grants   int
		Refusals map[string]int
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil || s.Grants != 1 || s.Refusals["forbidden-door"] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
