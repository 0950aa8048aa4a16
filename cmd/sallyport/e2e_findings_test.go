//go:build linux && !client_only

package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/spa"
)

// findings asks for all findings, each as rule, severity and whom it is about.
func (w *world) findings() []string {
	w.t.Helper()
	out, _, status := w.run(w.Gate, "findings", "-c", w.config, "--json")
	if status != 0 {
		return nil // the journal's file is not there at once
	}
	var list []event.Finding
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	var briefs []string
	for _, f := range list {
		briefs = append(briefs, fmt.Sprintf("%s %s %s %s", f.Rule, f.Severity, f.Client, f.Source))
	}
	slices.Sort(briefs)
	return briefs
}

// finds requires that exactly these findings are there in the end.
func (w *world) finds(want ...string) {
	w.t.Helper()
	var got []string
	for deadline := time.Now().Add(patience); !slices.Equal(got, want); got = w.findings() {
		if time.Now().After(deadline) {
			w.t.Fatalf("findings %q, want %q", got, want)
		}
	}
}

const watchedDoor = `
[[door]]
name = "ssh"
ports = ["tcp/22"]
open_for = "60s"
sequence = ["tcp/7001", "udp/8002", "tcp/9003", "tcp/6004"]
`

// attack runs a program on the attacker's host.
func (w *world) attack(h *lab.Host, name string, args ...string) {
	w.t.Helper()
	if out, err := h.Command(w.t.Context(), name, args...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func TestScansByNmapAreFound(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nmap")
	ports := fmt.Sprintf("-p1-%d", labtest.Rounds(4000, 65535))
	for name, args := range map[string][]string{
		"many TCP ports": {"-sS", ports, "--min-rate", "30000", "--max-retries", "1"},
		"200 UDP ports":  {"-sU", "--top-ports", "200", "--max-retries", "1"},
		"shuffled IPv6":  {"-6", "-sS", "-p1-2000", "--max-retries", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for scheme, way := range map[string]string{"with a sequence": watchedDoor, "with SPA only": "[spa]\nport = 40321\n" + `[[door]]
name = "ssh"
ports = ["tcp/22"]
`} {
				w := newGuarded(t, way)
				target, source := w.Attacker.Gate4, w.Attacker.IP4
				if args[0] == "-6" {
					target, source = w.Attacker.Gate6, w.Attacker.IP6
				}
				w.attack(w.Attacker, "nmap", append([]string{"-n", "-Pn", target.String()}, args...)...)
				t.Log(scheme)
				w.finds(fmt.Sprintf("scan-fast low  %s", source))
			}
		})
	}
}

// Someone who knows the first knock, and tries what comes next.
func TestGuessingIsFound(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, watchedDoor)
	candidates := []string{"tcp/8000", "tcp/9000", "udp/9000", "tcp/8002", "udp/7001"}
	for i := range 10 {
		w.knock(w.Attacker, w.Attacker.Gate4, "tcp/7001", candidates[i%len(candidates)])
	}
	w.finds("guessing medium  " + w.Attacker.IP4.String())
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
}

// Someone who knows all knocks but the last.
func TestNearMissesAreFound(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, watchedDoor)
	for i := range 4 {
		w.knock(w.Attacker, w.Attacker.Gate4, "tcp/7001", "udp/8002", "tcp/9003", fmt.Sprintf("tcp/%d", 6100+i))
	}
	w.finds("near-miss high  " + w.Attacker.IP4.String())
	if out, errs, _ := w.run(w.Gate, "findings", "-c", w.config); !strings.Contains(out, "The command: sallyport door rotate ssh") {
		t.Errorf("the finding does not name the door:\n%s%s", out, errs)
	}
	if out, errs, _ := w.run(w.Gate, "why", "ssh", "-c", w.config); !strings.Contains(out, `at door "ssh": after 3 right knocks of 4`) {
		t.Errorf("why does not name the door:\n%s%s", out, errs)
	}
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
}

// Someone can knock, and cannot log in.
func TestFailedLoginsAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	log := filepath.Join(w.dir, "auth.log")
	write := func(source netip.Addr, n int) {
		t.Helper()
		f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range n {
			fmt.Fprintf(f, "%s gate sshd-session[7]: Failed password for invalid user root from 203.0.113.9 port 1 ssh2 from %s port 4711 ssh2\n",
				time.Now().Format("2006-01-02T15:04:05.000000-07:00"), source)
		}
	}
	w.configure(fmt.Sprintf("[detect]\nssh_log = %q\ngeoip = \"/nonexistent\"\n", log) + watchedDoor)
	w.start()
	w.journaled("no such file", "--kind", "failure") // neither log nor database: doors open all the same
	w.knock(w.Attacker, w.Attacker.Gate4, "tcp/7001", "udp/8002", "tcp/9003", "tcp/6004")
	w.open(w.Attacker, "tcp", at(w.Attacker, 22))
	write(w.Client.IP4, 20) // never knocked
	write(w.Attacker.IP4, 12)
	w.finds("failed-logins high  " + w.Attacker.IP4.String())
}

func TestMisuseOfMessagesIsFound(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(w *spaWorld) string{
		"a capture, sent again from elsewhere": func(w *spaWorld) string {
			m := w.seal(w.alice, netip.Addr{}, nil)
			w.ask(w.Client, w.Client.Gate4, m)
			w.send(w.Attacker, w.Attacker.Gate4, m.Datagram)
			return fmt.Sprintf("interception high alice %s", w.Attacker.IP4)
		},
		"a capture, sent again from the same address": func(w *spaWorld) string {
			m := w.seal(w.alice, netip.Addr{}, nil)
			w.ask(w.Client, w.Client.Gate4, m)
			for range 3 {
				w.send(w.Client, w.Client.Gate4, m.Datagram)
			}
			return fmt.Sprintf("replay medium alice %s", w.Client.IP4)
		},
		"a stolen key, used while its owner works": func(w *spaWorld) string {
			for _, h := range []*lab.Host{w.Client, w.Attacker, w.Client, w.Attacker} {
				w.ask(h, h.Gate4, w.seal(w.alice, netip.Addr{}, nil))
			}
			return fmt.Sprintf("two-places medium alice %s", w.Attacker.IP4)
		},
		"a key that no client has": func(w *spaWorld) string {
			w.send(w.Attacker, w.Attacker.Gate4, w.seal(newProver(w.t), netip.Addr{}, nil).Datagram)
			return fmt.Sprintf("unknown-client medium  %s", w.Attacker.IP4)
		},
		"a clock that is a minute and a half behind": func(w *spaWorld) string {
			w.send(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Time = h.Time.Add(-time.Minute - 30*time.Second) }).Datagram)
			return fmt.Sprintf("clock info alice %s", w.Client.IP4)
		},
		"a door that the client may not open": func(w *spaWorld) string {
			for range 5 {
				w.send(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Door = spa.DoorID("other") }).Datagram)
			}
			return fmt.Sprintf("forbidden-door medium alice %s", w.Client.IP4)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSPAWorld(t, "")
			w.finds(do(w))
		})
	}
}
