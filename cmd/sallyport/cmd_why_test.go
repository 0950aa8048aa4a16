//go:build linux && !client_only

package main

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
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
		t.Errorf("why someone of whom nothing came:\n%s", out)
	}
	out, _, _ = call(t, "", "why", "192.0.2.10", "--json", "--journal", path, "-c", "/nowhere")
	var answer why
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Reasons) != 1 || answer.Reasons[0].Count != 1 || len(answer.Events) != 2 {
		t.Errorf("as JSON: %+v, %v", answer, err)
	}
}

// A grant that is renewed again and again is used if a connection came by it, however
// long ago. One that had ended before says nothing of the next.
func TestWhyKnowsARenewalFromAGrant(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	at := func(ago time.Duration, kind event.Kind) event.Event {
		return event.Event{Time: now.Add(-ago), Kind: kind, Door: "ssh", Client: "alice", Source: visitor, Reason: event.BySPA}
	}
	const day = 24 * time.Hour
	ended := at(25*time.Hour, event.KindUse)
	ended.Ended, ended.Count.First = true, now.Add(-3*day)
	for name, c := range map[string]struct {
		before []event.Event
		unused bool
	}{
		"used":                     {[]event.Event{at(3*day, event.KindGrant), at(3*day-time.Second, event.KindUse), at(2*day, event.KindGrant)}, false},
		"never used":               {[]event.Event{at(3*day, event.KindGrant), at(2*day, event.KindGrant)}, true},
		"nothing before":           {nil, true},
		"used, and ended":          {[]event.Event{at(3*day, event.KindGrant), at(3*day-time.Second, event.KindUse), at(2*day, event.KindExpiry)}, true},
		"its connection has ended": {[]event.Event{at(3*day, event.KindGrant), at(3*day-time.Second, event.KindUse), at(2*day, event.KindExpiry), ended}, true},
	} {
		path := keepEvents(t, append(c.before, at(2*time.Hour, event.KindGrant), at(time.Hour, event.KindGrant)))
		out, _, _ := call(t, "", "why", "alice", "--journal", path, "-c", "/nowhere")
		if got := strings.Contains(out, "No connection is known"); got != c.unused {
			t.Errorf("%s: says that it was not used: %t\n%s", name, got, out)
		}
	}
}

// People are answered in their language, programs in English.
func TestAnswersInJapanese(t *testing.T) {
	path := keepEvents(t, someEvents())
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"why", "alice"}, []string{"デーモンが応答しない", `192.0.2.10（クライアント "alice"） に ドア "ssh" を開きました`, "拒否 (forbidden-door)、1 回", "対処: 認めてよいなら"}},
		{[]string{"why", "203.0.113.9"}, []string{"パケットが届いていない", "tcpdump -ni any host 203.0.113.9"}},
		{[]string{"findings"}, []string{"検出事項はありません。"}},
		{[]string{"report"}, []string{"対処すること", "クライアント"}},
	} {
		args := append(c.args, "--journal", path, "-c", "/nowhere")
		japanese, _, _ := call(t, "", append(args, "--lang", "ja")...)
		for _, want := range c.want {
			if !strings.Contains(japanese, want) {
				t.Errorf("%q has no %q:\n%s", c.args, want, japanese)
			}
		}
		english, _, _ := call(t, "", args...)
		t.Setenv("LC_ALL", "ja_JP.UTF-8")
		if got, _, _ := call(t, "", append(args, "--lang", "en")...); c.args[0] != "report" && got != english {
			t.Errorf("%q: --lang en does not prevail:\n%s", c.args, got)
		}
		json, _, _ := call(t, "", append(args, "--json")...)
		if strings.ContainsFunc(json, func(r rune) bool { return r > 0x3000 }) {
			t.Errorf("%q: the JSON is Japanese:\n%s", c.args, json)
		}
		t.Setenv("LC_ALL", "C")
	}
}

// A grant that no connection has used is the case in which people ask.
func TestWhyAGrantDoesNotHelp(t *testing.T) {
	at := time.Now().Add(-time.Hour)
	source := netip.MustParseAddr("192.0.2.30")
	grant := event.Event{Time: at, Kind: event.KindGrant, Source: source, Door: "ssh"}
	use := event.Event{Time: at.Add(time.Second), Kind: event.KindUse, Source: source, Door: "ssh"}
	refusal := event.Event{Time: at.Add(time.Minute), Kind: event.KindRefusal, Reason: event.TooSlow, Source: source, Door: "ssh"}
	late := event.Event{Time: time.Now(), Kind: event.KindGrant, Source: source, Door: "ssh"}
	for _, c := range []struct {
		name   string
		events []event.Event
		want   bool
	}{
		{"granted", []event.Event{grant}, true},
		{"granted and used", []event.Event{grant, use}, false},
		{"refused and then granted", []event.Event{{Time: at.Add(-time.Minute), Kind: event.KindRefusal, Reason: event.TooSlow, Source: source, Door: "ssh"}, grant}, true},
		{"refused in the end", []event.Event{grant, refusal}, false},
		{"granted a moment ago", []event.Event{late}, false},
	} {
		out, _, _ := call(t, "", "why", "192.0.2.30", "--journal", keepEvents(t, c.events), "-c", "/nowhere")
		if got := strings.Contains(out, "No connection is known that used these grants"); got != c.want {
			t.Errorf("%s: says that no connection came: %v, want %v\n%s", c.name, got, c.want, out)
		}
	}
}

func TestWhyKnowsNames(t *testing.T) {
	t.Setenv("SSH_CONNECTION", "")
	s := newServer(t, oneDoor)
	s.must("", "client", "add", "alice", "--key", s.write("k.pub", newEd25519(t)), "--door", "ssh")
	path := keepEvents(t, someEvents())
	for target, want := range map[string]string{
		"alcie": `"alcie" is neither an address nor a client nor a door` + "\nhint: did you mean alice?", "nosuchclient": "hint: there are: alice, ssh",
		"not an address!": "neither an address nor a client", "gate.example.org": "this is a name, and an address is wanted",
	} {
		if _, errs, status := s.sallyport("", "why", target, "--journal", path); status != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("why %s: status %d: %s", target, status, errs)
		}
	}
	if out := s.must("", "why", "ssh", "--journal", path); !strings.Contains(out, `opened door "ssh" for 192.0.2.10`) {
		t.Errorf("why ssh:\n%s", out)
	}
	if out := s.must("", "why", "192.0.2.0/24", "--journal", path); !strings.Contains(out, `opened door "ssh" for 192.0.2.10`) {
		t.Errorf("why a prefix:\n%s", out)
	}
}
