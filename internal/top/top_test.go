//go:build linux

package top

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"sallyport/internal/columns"
	"sallyport/internal/control"
	"sallyport/internal/event"
)

var update = flag.Bool("update", false, "write testdata")

var now = time.Date(2026, 3, 1, 10, 30, 0, 0, time.Local)

// fake is a daemon that remembers what it was asked.
type fake struct {
	calls  []string
	err    error
	follow func(ctx context.Context, after string, each func(control.Notice) error) error
}

func (f *fake) Status(context.Context) (control.Status, error) { return busy(), f.err }
func (f *fake) Findings(context.Context, control.FindingsRequest) (control.FindingsAnswer, error) {
	return found(), f.err
}
func (f *fake) Follow(ctx context.Context, after string, each func(control.Notice) error) error {
	return f.follow(ctx, after, each)
}
func (f *fake) call(format string, args ...any) {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}
func (f *fake) Open(_ context.Context, q control.OpenRequest) (event.Grant, error) {
	f.call("open %s %s %s", q.Door, q.Source, time.Duration(q.For))
	return event.Grant{}, f.err
}
func (f *fake) Revoke(_ context.Context, q control.RevokeRequest) (control.RevokeAnswer, error) {
	f.call("revoke %s %s cut=%v", q.Door, q.Source, q.Cut)
	return control.RevokeAnswer{}, f.err
}
func (f *fake) Ban(_ context.Context, q control.BanRequest) (event.Ban, error) {
	f.call("ban %s", q.Source)
	return event.Ban{}, f.err
}
func (f *fake) Acknowledge(_ context.Context, q control.AckRequest) (event.Finding, error) {
	f.call("ack %s", q.ID)
	return event.Finding{}, f.err
}

func (f *fake) Asks(context.Context) (control.AsksAnswer, error) { return waits(), f.err }
func (f *fake) Approve(_ context.Context, q control.ApproveRequest) (control.ApproveAnswer, error) {
	f.call("approve %s %s %s %s", q.ID, q.Code, q.Door, time.Duration(q.For))
	return control.ApproveAnswer{}, f.err
}
func (f *fake) Refuse(_ context.Context, q control.RefuseRequest) (control.RefuseAnswer, error) {
	f.call("refuse %s", q.ID)
	return control.RefuseAnswer{}, f.err
}

func waits() control.AsksAnswer {
	return control.AsksAnswer{Asks: []control.Ask{
		{ID: "3f2a91c0", Source: netip.MustParseAddr("203.0.113.7"), Client: "alice", Bound: true, Door: "ssh", Until: now.Add(9 * time.Minute), Lookup: &control.Lookup{Refusals: 3}},
		{ID: "77777777", Source: netip.MustParseAddr("2001:db8:7::9"), Note: "Bob, on the road", Until: now.Add(time.Minute)},
	}}
}

// Someone who asks stands on the screen, and is let in by the code that the operator
// types, and by none that is on it.
func TestAsks(t *testing.T) {
	m, f := made(80, 24, false)
	m.Update(asksMsg(waits()))
	press(m, "tab")
	text := strings.Join(m.screen(), "\n")
	for _, want := range []string{">ASKS  2 to be let in", "> alice          203.0.113.7        9m", "  anyone         2001:db8:7::9      1m       Bob, on the road", "a let in  r refuse"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	press(m, "e")
	if text := strings.Join(m.screen(), "\n"); !strings.Contains(text, "has signed this address") || !strings.Contains(text, "Refused 3 times") {
		t.Error(text)
	}
	press(m, "e")
	for typed, want := range map[string]string{
		"bcdfgh": "approve 3f2a91c0 bcdfgh  0s", "BCD FGH ssh 10m": "approve 3f2a91c0 BCDFGH ssh 10m0s", "BCDFGH 10m": "approve 3f2a91c0 BCDFGH  10m0s", "ssh": "", "": "", "BCDFGH a b c": "",
	} {
		f.calls = nil
		press(m, "a")
		m.input.add(typed)
		if cmd := press(m, "enter"); cmd != nil {
			m.Update(cmd())
		}
		if got := strings.Join(f.calls, ", "); got != want || (want == "") != (m.said.err != nil) {
			t.Errorf("%q: %q, want %q (%v)", typed, got, want, m.said.err)
		}
	}
	f.calls = nil
	press(m, "down")
	m.Update(press(m, "r", "y")())
	if got := strings.Join(f.calls, ", "); got != "refuse 77777777" {
		t.Error(got)
	}
	m.Update(tickMsg(now.Add(10 * time.Minute)))
	if text := strings.Join(m.screen(), "\n"); strings.Contains(text, "ASKS") {
		t.Error("those whose time is over are shown")
	}
	m.Update(asksMsg{})
	if m.list == asks {
		t.Error("a list that is gone is selected")
	}
}

func busy() control.Status {
	return control.Status{
		Version: "v1.0.0", Started: now.Add(-49 * time.Hour), Doors: []control.Door{{Name: "ssh"}, {Name: "web"}}, Labels: map[string]string{"alice": "アリス"},
		Grants: []event.Grant{
			{Door: "web", Source: netip.MustParseAddr("2001:db8::7"), Client: "bob", Until: now.Add(90 * time.Second), Prefix: 64},
			{Door: "ssh", Source: netip.MustParseAddr("192.0.2.7"), Client: "alice", Until: now.Add(29 * time.Second), Single: true},
		},
		Refusals: map[event.Reason]uint64{event.WrongKnock: 500}, Dropped: 100_000,
		Problems: []string{"something listens on tcp/7000, a knock of door \"ssh\": its visitors spoil sequences"},
	}
}

func found() control.FindingsAnswer {
	return control.FindingsAnswer{Findings: []event.Finding{{
		ID: "3f2a91", Rule: "scan-slow", Severity: event.Medium, Source: netip.MustParseAddr("198.51.100.9"), First: now.Add(-time.Hour), Last: now, Count: 3,
		Explanation: "198.51.100.9 has touched 40 closed ports in an hour", Advice: "nothing: no door was open", Evidence: []string{"tcp/22", "tcp/23"},
	}}}
}

func refusal(detail string) control.Notice {
	h := control.Happened(event.Event{Time: now, Kind: event.KindRefusal, Reason: event.WrongKnock, Source: netip.MustParseAddr("198.51.100.9"), Detail: detail})
	return control.Notice{ID: "a-1", Event: &h}
}

// made is a model that has heard of a few things.
func made(width, height int, color bool) (*model, *fake) {
	f := &fake{}
	m := newModel(color)
	m.act = acting{context.Background(), f}
	m.now = now
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	before := busy()
	before.Dropped, before.Refusals = 90_000, map[event.Reason]uint64{event.WrongKnock: 480}
	m.Update(statusMsg{before, now.Add(-2 * time.Second)})
	m.Update(statusMsg{busy(), now})
	m.Update(findingsMsg(found()))
	for i := range 60 {
		n := refusal(fmt.Sprintf("knock %d of the sequence of door ssh", i))
		if i == 30 {
			n.Missed = 12
		}
		m.Update(noticeMsg(n))
	}
	h := control.Happened(event.Event{Time: now, Kind: event.KindGrant, Door: "ssh", Client: "alice", Source: netip.MustParseAddr("192.0.2.7"), Reason: event.BySPA, Detail: "for 30s", Bound: true})
	m.Update(noticeMsg{ID: "a-99", Event: &h, Changes: []string{"grants"}})
	return m, f
}

func press(m *model, keys ...string) (cmd tea.Cmd) {
	for _, k := range keys {
		text := ""
		if len([]rune(k)) == 1 {
			text = k
		}
		cmd = m.pressed(k, text)
	}
	return cmd
}

// The screen is what it was, in a small and a large terminal, with and without colour.
func TestScreens(t *testing.T) {
	for _, c := range []struct {
		width, height int
		color         bool
	}{{80, 24, false}, {80, 24, true}, {160, 48, false}} {
		name := fmt.Sprintf("%dx%d", c.width, c.height)
		if c.color {
			name += "-color"
		}
		m, _ := made(c.width, c.height, c.color)
		got := strings.ReplaceAll(strings.Join(m.screen(), "\n"), "\x1b", "␛") + "\n"
		path := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != got {
			t.Errorf("%s is not what the program shows (go test ./internal/top -update): %v\n%s", path, err, got)
		}
	}
}

// plain is a line without the colours of ours.
func plain(line string) string {
	for _, c := range []string{bold, faint, reverse, red, green, yellow, cyan, alarm, "0"} {
		line = strings.ReplaceAll(line, "\x1b["+c+"m", "")
	}
	return line
}

// Whatever is shown, and however large the terminal is, the lines fit, and nothing in them
// does anything.
func TestHostileWordsAreInert(t *testing.T) {
	const evil = "\x1b[2J\x1b]0;owned\x07\u202eevil\u009b31m\n\rアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアアア\xff"
	for _, size := range [][2]int{{40, 12}, {41, 13}, {80, 24}, {160, 48}, {500, 200}, {1, 1}, {0, 0}} {
		for _, keys := range [][]string{nil, {"e"}, {"tab", "e"}, {"tab", "tab", "e"}, {"o"}, {"/", "x"}, {"tab", "r"}, {"b"}, {"tab", "tab", "a"}, {"tab", "a"}, {"tab", "e"}, {"tab", "tab", "tab", "a"}} {
			m, _ := made(size[0], size[1], true)
			s := busy()
			s.Version, s.Problems, s.Labels["alice"], s.Doors[0].Name, s.Grants[0].Door, s.Grants[0].Client = evil, []string{evil, evil}, evil, evil, evil, evil
			m.Update(statusMsg{s, now})
			f := found()
			f.Findings[0] = event.Finding{ID: evil, Rule: evil, Severity: evil, Explanation: evil, Advice: evil, Evidence: []string{evil}}
			m.Update(findingsMsg(f))
			a := waits()
			a.Asks[0] = control.Ask{ID: evil, Client: evil, Door: evil, Note: evil, Until: now.Add(time.Minute), Lookup: &control.Lookup{Findings: []control.LookupFinding{{Rule: evil, Severity: evil, Explanation: evil}}}}
			m.Update(asksMsg(a))
			n := refusal(evil)
			n.Event.Door, n.Event.Client, n.Event.Kind, n.Event.Reason = evil, evil, evil, evil
			m.Update(noticeMsg(n))
			m.Update(doneMsg{err: errors.New(evil)})
			press(m, keys...)
			if m.input != nil {
				m.Update(tea.PasteMsg{Content: evil})
			}
			lines := m.screen()
			if len(lines) > max(size[1], 1) {
				t.Errorf("%v %v: %d lines", size, keys, len(lines))
			}
			for _, l := range lines {
				l = plain(l)
				if columns.Width(l) > size[0] && size[0] > 1 || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u202e' || r >= 0x80 && r < 0xa0 }) {
					t.Errorf("%v %v: %q", size, keys, l)
				}
			}
		}
	}
}

// Keys do what they say, after a question, to what is selected.
func TestOrders(t *testing.T) {
	for name, c := range map[string]struct {
		keys []string
		want string
	}{
		"revoke":               {[]string{"tab", "r", "y"}, "revoke ssh 192.0.2.7 cut=false"},
		"the second, and cut":  {[]string{"tab", "down", "x", "y"}, "revoke web 2001:db8::7 cut=true"},
		"revoke, or not":       {[]string{"tab", "r", "n"}, ""},
		"no grant is selected": {[]string{"r", "y"}, ""},
		"ban":                  {[]string{"down", "b", "y"}, "ban 198.51.100.9"},
		"acknowledge":          {[]string{"tab", "tab", "a", "y"}, "ack 3f2a91"},
		"no finding":           {[]string{"a", "y"}, ""},
		"open":                 {[]string{"o", "enter"}, "open ssh 192.0.2.7 0s"},
		"open for a time":      {[]string{"o", " ", "9", "0", "s", "enter"}, "open ssh 192.0.2.7 1m30s"},
		"open for nonsense":    {[]string{"o", "x", "enter"}, ""},
		"open, or not":         {[]string{"o", "esc"}, ""},
	} {
		m, f := made(80, 24, false)
		if cmd := press(m, c.keys...); cmd != nil {
			m.Update(cmd())
		}
		if got := strings.Join(f.calls, ", "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if m.said.err == nil && c.want != "" && m.said.text == "" {
			t.Errorf("%s: nothing is said", name)
		}
	}
	m, f := made(80, 24, false)
	f.err = &control.Error{Text: "this may not be", Remedy: "ask root"}
	m.Update(press(m, "tab", "r", "y")())
	if got := m.screen()[22]; got != "this may not be: ask root" {
		t.Errorf("%q", got)
	}
}

func TestFilterAndExplain(t *testing.T) {
	m, _ := made(80, 24, false)
	press(m, "/", "k", "n", "o", "c", "k", " ", "7", "enter")
	if list := m.happenings(); len(list) != 1 || len(m.grants()) != 0 {
		t.Errorf("%d events", len(list))
	}
	press(m, "e")
	text := strings.Join(m.screen(), "\n")
	for _, want := range []string{"wrong-knock: ", "Anyone can write this address"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	press(m, "e", "esc")
	if m.explaining || len(m.happenings()) != 61 {
		t.Errorf("%v, %d events", m.explaining, len(m.happenings()))
	}
}

// A grant counts down, and is gone when it is over, whatever the daemon says meanwhile.
func TestCountdown(t *testing.T) {
	m, _ := made(80, 24, false)
	for after, want := range map[time.Duration]string{9 * time.Second: "20s, single", 30 * time.Second: ""} {
		m.Update(tickMsg(now.Add(after)))
		if text := strings.Join(m.screen(), "\n"); !strings.Contains(text, want) || want == "" && len(m.grants()) != 1 {
			t.Errorf("after %s:\n%s", after, text)
		}
	}
}

// What is kept is bounded.
func TestEventsAreBounded(t *testing.T) {
	m, _ := made(80, 24, false)
	for range 3 * maxEvents {
		m.Update(noticeMsg(refusal("")))
	}
	if len(m.events) != maxEvents {
		t.Errorf("%d events", len(m.events))
	}
}

// While the daemon is away it says so; when it is back, all is asked for again, and the
// stream goes on where it was.
func TestDaemonIsRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		var asked []string
		f := &fake{}
		f.follow = func(_ context.Context, after string, each func(control.Notice) error) error {
			switch asked = append(asked, after); len(asked) {
			case 1:
				_ = each(control.Notice{ID: "a-1"})
				_ = each(control.Notice{ID: "a-2"})
				return control.ErrStreamEnded
			case 8:
				return each(control.Notice{ID: "b-1", Restarted: true})
			case 9:
				end()
			}
			return errors.New("no daemon answers")
		}
		m, _ := made(80, 24, false)
		m.act.d = f
		away := false
		began := time.Now()
		follow(ctx, f, func(msg tea.Msg) {
			_, cmd := m.Update(msg)
			if n, ok := msg.(noticeMsg); ok && n.Restarted && cmd == nil {
				t.Error("after a restart nothing is asked for again")
			}
			away = away || strings.Contains(m.screen()[0], "does not answer")
		})
		if got := strings.Join(asked[:9], " "); got != " a-2 a-2 a-2 a-2 a-2 a-2 a-2 b-1" || !away {
			t.Errorf("asked %q, away %v", got, away)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %s", took)
		}
		m.asking = false
		m.Update(statusMsg{busy(), now.Add(time.Minute)})
		if strings.Contains(m.screen()[0], "does not answer") {
			t.Error("it still says that the daemon is away")
		}
	})
}
