//go:build linux

package hub

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/lab/labtest"
)

// whatOthersRead is what others read: each source reports what it has done. Bound are the
// sources that are true, anybody's are those that anybody can write.
func whatOthersRead() (text string, bound, anybody []string) {
	var b bytes.Buffer
	l := NewLogbook(slog.New(slog.NewTextHandler(&b, nil)))
	host := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, n}) }
	put := func(e event.Event) {
		e.Time = time.Now()
		l.Write(e)
	}
	n := byte(1)
	for _, r := range []event.Reason{event.ForbiddenDoor, event.ForbiddenFrom, event.KeyExpired, event.UnknownDoor, event.OutOfHours, event.TooMany} {
		refused := event.Event{Kind: event.KindRefusal, Door: "ssh", Client: "alice@laptop", Source: host(n), Reason: r, Authenticated: true, Bound: true, Detail: "x"}
		put(refused)
		bound = append(bound, host(n).String())
		n++
		// The same unbound, and the same by anyone who has overheard a sequence.
		refused.Bound, refused.Source = false, host(n)
		put(refused)
		anybody = append(anybody, host(n).String())
		n++
		put(event.Event{Kind: event.KindRefusal, Door: "ssh", Source: host(n), Reason: r, Detail: "bound=true"})
		anybody = append(anybody, host(n).String())
		n++
	}
	put(event.Event{Kind: event.KindBan, Source: netip.MustParseAddr("2001:db8::7"), Reason: event.Banned, Bound: true, Detail: "2001:db8::/64 for 1h"})
	bound = append(bound, "2001:db8::7")
	put(event.Event{Kind: event.KindBan, Source: host(n), Detail: "ended"})
	put(event.Event{Kind: event.KindBan, Source: host(n), Reason: event.ByOperator, Detail: "ended"})
	put(event.Event{Kind: event.KindBan, Source: host(n), Client: "alice", Reason: event.BySPA, Detail: "ended"})
	n++
	for _, r := range []event.Reason{event.WrongKnock, event.BadTag, event.Replayed, event.StaleTime, event.BadProof} {
		put(event.Event{Kind: event.KindRefusal, Client: "alice", Source: host(n), Reason: r})
		anybody = append(anybody, host(n).String())
		n++
	}
	const forged = " source=192.0.2.1 reason=forbidden-door bound=true "
	put(event.Event{Kind: event.KindGrant, Door: "ssh", Source: host(n), Reason: event.BySequence, Detail: forged})
	put(event.Event{Kind: event.KindFailure, Detail: "\ntime=2026-03-01T12:00:00Z level=INFO msg=refusal" + forged})
	put(event.Event{Kind: event.KindClock, Client: "a" + forged, Source: host(n), Detail: forged})
	put(event.Event{Kind: event.KindRefusal, Client: "a" + forged, Source: host(n), Reason: event.BadSeal, Detail: forged})
	// An exercise is in the log, too, and has nobody kept out.
	exercise := detect.Exercise(time.Now(), event.Critical)
	put(event.Event{Kind: event.KindFinding, Finding: &exercise, Detail: fmt.Sprintf("%s (%s): %s", exercise.Rule, exercise.Severity, exercise.Explanation)})
	put(event.Event{Kind: event.KindAck, Reason: event.ByOperator, Detail: "finding " + exercise.ID + " (exercise) by root, 3s after it began"})
	return b.String(), bound, anybody
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

// The real fail2ban finds who misuses a key from an address that is true, and nobody else: in
// the journal of systemd, where our jail looks, and in a file.
func TestFail2ban(t *testing.T) {
	labtest.Need(t, "peers", "fail2ban-regex", journalRemote)
	text, bound, anybody := whatOthersRead()
	for _, from := range []string{writeLog(t, text), "systemd-journal[journalfiles=" + journaled(t, text) + "]"} {
		for mode, want := range map[string][]string{"bound": bound, "any": append(slices.Clone(bound), anybody...)} {
			out, err := exec.Command("fail2ban-regex", "-o", "ip", from, "../../../packaging/fail2ban/filter.d/sallyport.conf[mode="+mode+"]").Output()
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

// The real CrowdSec reads our lines with our parser, from the journal of systemd
// and from a file, and its buckets get those of a client that misuses a key from an
// address that is true, and no others.
func TestCrowdSec(t *testing.T) {
	labtest.Need(t, "peers", "crowdsec", "cscli")
	text, bound, _ := whatOthersRead()
	slices.Sort(bound)
	var journal strings.Builder // as journalctl shows it
	for line := range strings.Lines(text) {
		_, line, _ = strings.Cut(line, " ")
		journal.WriteString("Mar  1 12:00:00 gate sallyport[77]: " + line)
	}
	for kind, text := range map[string]string{"sallyport": text, "syslog": journal.String()} {
		out, err := exec.Command("cscli", "-c", crowdSec(t), "explain", "--type", kind, "--verbose", "--file", writeLog(t, text)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var got []string
		for _, line := range strings.Split(string(out), "line: ")[1:] {
			if strings.Contains(line, "sallyport/sallyport-misuse") || strings.Contains(line, "sallyport/sallyport-ban") {
				_, source, _ := strings.Cut(line, "source=")
				source, _, _ = strings.Cut(source, " ")
				got = append(got, source)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, bound) {
			t.Errorf("%s: found %v, want %v in\n%s", kind, got, bound, out)
		}
	}
}

// crowdSec makes a configuration with our files and those that CrowdSec brings
// along for every log: no network, no database, nothing of the host's.
func crowdSec(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	ours, theirs := "../../../packaging/crowdsec/", "/etc/crowdsec/"
	for _, file := range [][2]string{
		{ours + "parsers/sallyport-logs.yaml", "parsers/s01-parse/sallyport-logs.yaml"},
		{ours + "scenarios/sallyport-misuse.yaml", "scenarios/sallyport-misuse.yaml"},
		{ours + "scenarios/sallyport-ban.yaml", "scenarios/sallyport-ban.yaml"},
		{theirs + "parsers/s00-raw/syslog-logs.yaml", "parsers/s00-raw/syslog-logs.yaml"},
		{theirs + "parsers/s02-enrich/dateparse-enrich.yaml", "parsers/s02-enrich/dateparse-enrich.yaml"},
	} {
		text, err := os.ReadFile(file[0])
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, file[1])), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file[1]), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(theirs+"patterns", filepath.Join(dir, "patterns")); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "config.yaml")
	for name, text := range map[string]string{"config.yaml": fmt.Sprintf(crowdSecConfig, dir), "simulation.yaml": "simulation: false\n", "acquis.yaml": "", "hub/.index.json": `{"parsers":{},"scenarios":{},"postoverflows":{},"collections":{}}`, "api.yaml": "url: " + localAPI(t) + "/\nlogin: test\npassword: test\n"} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

const crowdSecConfig = `
common: {daemonize: false, log_media: stdout, log_level: info, working_dir: .}
config_paths:
  config_dir: %[1]s/
  data_dir: %[1]s/
  simulation_path: %[1]s/simulation.yaml
  hub_dir: %[1]s/hub/
  index_path: %[1]s/hub/.index.json
crowdsec_service: {acquisition_path: %[1]s/acquis.yaml, parser_routines: 1}
cscli: {output: human, color: "no"}
db_config: {type: sqlite, db_path: %[1]s/crowdsec.db}
api:
  client: {credentials_path: %[1]s/api.yaml}
prometheus: {enabled: false}
`

// localAPI stands in for the server of CrowdSec to which its parts log in.
func localAPI(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/watchers/login") {
			fmt.Fprintf(w, `{"code":200,"expire":%q,"token":"test"}`, time.Now().Add(time.Hour).Format(time.RFC3339))
			return
		}
		fmt.Fprint(w, "[]")
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func writeLog(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
