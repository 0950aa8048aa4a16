//go:build linux

package daemon

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"sallyport/internal/event"
	"sallyport/internal/lab/labtest"
)

// logged is what others read: each source tells what it has done.
func logged() (text string, proved, anybody []string) {
	var b bytes.Buffer
	l := newLogbook(slog.New(slog.NewTextHandler(&b, nil)))
	host := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, n}) }
	put := func(e event.Event) {
		e.Time = time.Now()
		l.write(e)
	}
	n := byte(1)
	for _, r := range []event.Reason{event.ForbiddenDoor, event.ForbiddenFrom, event.KeyExpired, event.UnknownDoor, event.OutOfHours, event.TooMany} {
		put(event.Event{Kind: event.KindRefusal, Door: "ssh", Client: "alice@laptop", Source: host(n), Reason: r, Detail: "x"})
		proved = append(proved, host(n).String())
		n++
	}
	put(event.Event{Kind: event.KindBan, Source: netip.MustParseAddr("2001:db8::7"), Reason: event.Banned, Detail: "2001:db8::/64 for 1h"})
	proved = append(proved, "2001:db8::7")
	put(event.Event{Kind: event.KindBan, Source: host(n), Detail: "ended"})
	put(event.Event{Kind: event.KindBan, Source: host(n), Reason: event.ByOperator, Detail: "ended"})
	n++
	for _, r := range []event.Reason{event.WrongKnock, event.BadTag, event.Replayed, event.StaleTime, event.BadProof} {
		put(event.Event{Kind: event.KindRefusal, Client: "alice", Source: host(n), Reason: r})
		anybody = append(anybody, host(n).String())
		n++
	}
	const forged = " source=192.0.2.1 reason=forbidden-door "
	put(event.Event{Kind: event.KindGrant, Door: "ssh", Source: host(n), Reason: event.BySequence, Detail: forged})
	put(event.Event{Kind: event.KindFailure, Detail: "\ntime=2026-03-01T12:00:00Z level=INFO msg=refusal" + forged})
	put(event.Event{Kind: event.KindClock, Client: "a" + forged, Source: host(n), Detail: forged})
	put(event.Event{Kind: event.KindRefusal, Client: "a" + forged, Source: host(n), Reason: event.BadSeal, Detail: forged})
	return b.String(), proved, anybody
}

const journalRemote = "/lib/systemd/systemd-journal-remote"

// journaled puts lines into a journal of systemd, as the service's. The time is
// not in the message.
func journaled(t *testing.T, text string) (path string) {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(text) {
		_, line, _ = strings.Cut(line, " ")
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=1000000\n_BOOT_ID=%032d\n_SYSTEMD_UNIT=sallyport.service\n_HOSTNAME=gate\nSYSLOG_IDENTIFIER=sallyport\n_PID=77\nMESSAGE=%s\n\n",
			time.Now().UnixMicro(), 1, strings.TrimSpace(line))
	}
	path = filepath.Join(t.TempDir(), "log.journal")
	cmd := exec.Command(journalRemote, "-o", path, "-")
	cmd.Stdin = strings.NewReader(b.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// The real fail2ban finds who has proved to misuse a key, and nobody else: in
// the journal of systemd, where our jail looks, and in a file.
func TestFail2ban(t *testing.T) {
	labtest.Need(t, "peers", "fail2ban-regex", journalRemote)
	text, proved, anybody := logged()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{path, "systemd-journal[journalfiles=" + journaled(t, text) + "]"} {
		for mode, want := range map[string][]string{"proved": proved, "any": append(slices.Clone(proved), anybody...)} {
			out, err := exec.Command("fail2ban-regex", "-o", "ip", from, "../../packaging/fail2ban/filter.d/sallyport.conf[mode="+mode+"]").Output()
			if err != nil {
				t.Fatalf("%s, %s: %v\n%s", from, mode, err, out)
			}
			got := strings.Fields(string(out))
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: found %v, want %v in\n%s", from, mode, got, want, text)
			}
		}
	}
}

// CrowdSec's files are YAML, and their patterns fit our lines. Its grok patterns
// are put into their places by hand here.
func TestCrowdSec(t *testing.T) {
	var parser struct {
		Patterns map[string]string `yaml:"pattern_syntax"`
		Grok     struct{ Pattern string }
	}
	var misuse, ban struct{ Name, Filter string }
	for path, to := range map[string]any{"parsers/sallyport-logs.yaml": &parser, "scenarios/sallyport-misuse.yaml": &misuse, "scenarios/sallyport-ban.yaml": &ban} {
		text, err := os.ReadFile("../../packaging/crowdsec/" + path)
		if err == nil {
			err = yaml.Unmarshal(text, to)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	known := map[string]string{"NOTSPACE": `\S+`, "WORD": `\w+`, "IP": `[0-9a-f:.]+`}
	for name, pattern := range parser.Patterns {
		known[name] = pattern
	}
	pattern := regexp.MustCompile(`%\{(\w+):(\w+)\}`).ReplaceAllStringFunc(parser.Grok.Pattern, func(s string) string {
		name, field, _ := strings.Cut(s[2:len(s)-1], ":")
		if known[name] == "" {
			t.Fatalf("the pattern %s is not known", name)
		}
		return "(?P<" + field + ">" + known[name] + ")"
	})
	expression := regexp.MustCompile(pattern)
	text, proved, _ := logged()
	var got []string
	for line := range strings.Lines(text) {
		m := expression.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		field := func(name string) string { return m[expression.SubexpIndex(name)] }
		for _, filter := range []string{misuse.Filter, ban.Filter} {
			if strings.Contains(filter, "'sallyport_"+field("sallyport_kind")+"'") && strings.Contains(filter, "'"+field("sallyport_reason")+"'") {
				got = append(got, field("source_ip"))
			}
		}
	}
	slices.Sort(got)
	slices.Sort(proved)
	if !slices.Equal(got, proved) {
		t.Errorf("found %v, want %v in\n%s", got, proved, text)
	}
}
