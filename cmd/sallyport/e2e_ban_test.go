//go:build linux && !client_only

package main

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/spa"
)

// banned asks who is banned.
func (w *world) banned() []netip.Prefix {
	w.t.Helper()
	var list []event.Ban
	if err := json.Unmarshal([]byte(w.must(w.Gate, "ban", "list", "--json", "-c", w.config)), &list); err != nil {
		w.t.Fatal(err)
	}
	sources := []netip.Prefix{}
	for _, b := range list {
		sources = append(sources, b.Source)
	}
	return sources
}

func (w *world) bans(want ...netip.Addr) {
	w.t.Helper()
	var prefixes []netip.Prefix
	for _, a := range want {
		prefixes = append(prefixes, event.BannedAs(a))
	}
	var got []netip.Prefix
	w.eventually("the right ones are banned", func() bool { got = w.banned(); return len(got) >= len(prefixes) })
	if !slices.Equal(got, prefixes) {
		w.t.Errorf("banned are %v, want %v", got, prefixes)
	}
}

const eager = "[ban]\nenabled = true\ntries = 1\ndecoys = [\"tcp/2323\"]\n"

// Whatever a packet claims, nobody is banned for it: scans, half a handshake with
// a decoy, broken sequences, copies, strangers, what a client has signed without
// its address.
func TestForgeriesBanNobody(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nmap")
	w := newSPAWorld(t, eager)
	victim := "198.51.100.77"
	w.attack(w.Attacker, "nmap", "-n", "-Pn", "-sS", "-p2300-2400", "--max-retries", "0", "-D", victim, w.Attacker.Gate4.String())
	w.attack(w.Attacker, "nmap", "-n", "-Pn", "-sU", "-p1-60,40321", "--max-retries", "0", "-D", victim, w.Attacker.Gate4.String())

	m := w.seal(w.alice, netip.Addr{}, nil)
	w.ask(w.Client, w.Client.Gate4, m)
	w.send(w.Attacker, w.Attacker.Gate4, m.Datagram)
	damaged := slices.Clone(m.Datagram)
	damaged[len(damaged)-1]++
	w.send(w.Attacker, w.Attacker.Gate4, damaged)
	w.send(w.Attacker, w.Attacker.Gate4, w.seal(newProver(t), netip.Addr{}, nil).Datagram)
	w.send(w.Attacker, w.Attacker.Gate4, w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Door = spa.DoorID("other") }).Datagram)
	for _, reason := range []string{"interception", "seal", "unknown-client", "forbidden-door"} {
		w.eventually("refusal: "+reason, func() bool { return w.status().Refusals[event.Reason(reason)] > 0 })
	}
	if got := w.banned(); len(got) != 0 {
		t.Errorf("banned are %v", got)
	}
}

// What cannot be forged bans, unless who did it has opened a door today.
func TestEvidenceBans(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(w *spaWorld, h *lab.Host){
		"a connection to a decoy": func(w *spaWorld, h *lab.Host) {
			conn, err := h.Dial(w.t.Context(), "tcp", at(h, 2323).String())
			if err != nil {
				w.t.Fatal(err)
			}
			conn.Close()
		},
		"a forbidden door, signed with the address": func(w *spaWorld, h *lab.Host) {
			w.send(h, h.Gate4, w.seal(w.alice, h.IP4, func(m *spa.Header) { m.Door, m.Bound = spa.DoorID("other"), true }).Datagram)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSPAWorld(t, eager)
			w.ask(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, nil))
			w.eventually("the grant is known", func() bool {
				out, _, _ := w.run(w.Gate, "events", "-c", w.config, "--kind", "grant") // there may be no journal yet
				return strings.Contains(out, "alice")
			})
			do(w, w.Client)
			do(w, w.Attacker)
			w.bans(w.Attacker.IP4)

			// A right knock opens nothing now.
			w.send(w.Attacker, w.Attacker.Gate4, w.seal(w.alice, netip.Addr{}, nil).Datagram)
			w.eventually("the knock is refused", func() bool { return w.status().Refusals[event.Banned] > 0 })
			w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
			w.journaled("for 1h", "--kind", "ban", "--source", w.Attacker.IP4.String())

			w.kill()
			w.start()
			w.bans(w.Attacker.IP4)

			// One that is signed with the address ends the ban.
			w.ask(w.Attacker, w.Attacker.Gate4, w.seal(w.alice, w.Attacker.IP4, func(m *spa.Header) { m.Bound = true }))
			w.bans()
			w.open(w.Attacker, "tcp", at(w.Attacker, 22))
		})
	}
}

// An operator bans whom he wants, and nobody by mistake.
func TestBanCommand(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, journaledDoor+"[gate]\ntrusted = [\"10.0.0.0/8\"]\n")
	if out := w.must(w.Gate, "ban", "list", "-c", w.config); out != "Nobody is banned.\n" {
		t.Error(out)
	}
	out := w.must(w.Gate, "ban", "add", "2001:db8:9::1", "--for", "2h", "-c", w.config)
	if !strings.HasPrefix(out, "2001:db8:9::/64 is banned until ") {
		t.Error(out)
	}
	for address, want := range map[string]string{"127.0.0.1": "an address of this host", "10.9.9.9": "trusted", "0.0.0.0": "no source", "x": "want an address"} {
		if _, errs, status := w.run(w.Gate, "ban", "add", address, "-c", w.config); status == 0 || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %s", address, status, errs)
		}
	}
	if _, errs, status := w.run(w.Gate, "ban", "remove", "192.0.2.200", "-c", w.config); status != 1 || !strings.Contains(errs, "is not banned") {
		t.Errorf("status %d, %s", status, errs)
	}
}
