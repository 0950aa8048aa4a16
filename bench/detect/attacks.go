package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/packet"
)

// model is a kind of attack, and what must be found of it.
type model struct {
	name     string
	rule     string
	severity event.Severity
	lasts    time.Duration
	run      func(w *world, from netip.Addr)
	many     bool // from many sources: the finding names none
}

// every does something n times, so far apart.
func (w *world) every(n int, apart time.Duration, do func(i int)) {
	for i := range n {
		w.after(time.Duration(i)*apart, func() { do(i) })
	}
}

func (w *world) refuseEvery(n int, apart time.Duration, r event.Reason, from netip.Addr, client string) {
	w.every(n, apart, func(int) {
		w.event(event.Event{Kind: event.KindRefusal, Reason: r, Source: from, Client: client, Door: "ssh"})
	})
}

// forbid has a client, who has shown its key, ask for what it may not have.
func (w *world) forbid(n int, r event.Reason, from netip.Addr) {
	w.every(n, time.Second, func(int) {
		w.event(event.Event{Kind: event.KindRefusal, Reason: r, Source: from, Client: "p3", Authenticated: true, Door: "ssh"})
	})
}

func tcp(n int) packet.Port { return packet.Port{Proto: packet.TCP, Number: uint16(n)} }

// guess knocks the first n knocks of a door right and one that is wrong.
func (w *world) guess(from netip.Addr, n int) {
	door := w.cfg.Doors[0]
	for i, port := range door.Sequence[:n] {
		w.after(time.Duration(i)*20*time.Millisecond, func() { w.send(from, port) })
	}
	w.after(time.Duration(n)*20*time.Millisecond, func() { w.send(from, tcp(2000+w.IntN(12))) })
}

var models = []model{
	{name: "scan, ordered, 50 to 2000 ports/s", rule: "scan-fast", severity: event.Low, lasts: time.Minute, run: func(w *world, from netip.Addr) {
		n := 50 + w.IntN(1950)
		w.every(5000, time.Second/time.Duration(n), func(i int) { w.send(from, tcp(1+i)) })
	}},
	{name: "scan, shuffled", rule: "scan-fast", severity: event.Low, lasts: time.Minute, run: func(w *world, from netip.Addr) {
		order := w.Perm(65535)
		w.every(5000, 5*time.Millisecond, func(i int) { w.send(from, tcp(1+order[i])) })
	}},
	{name: "scan, every TCP port in 3 to 5 seconds", rule: "scan-fast", severity: event.Low, lasts: time.Minute, run: func(w *world, from netip.Addr) {
		order, apart := w.Perm(65535), w.between(45*time.Microsecond, 76*time.Microsecond)
		w.every(65535, apart, func(i int) { w.send(from, tcp(1+order[i])) })
	}},
	{name: "scan, popular ports, one a second", rule: "scan-fast", severity: event.Low, lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.every(len(popular), time.Second, func(i int) { w.send(from, tcp(int(popular[i]))) })
	}},
	{name: "scan, slow: a port in 2 to 10 minutes", rule: "scan-slow", severity: event.Medium, lasts: 5 * time.Hour, run: func(w *world, from netip.Addr) {
		w.every(30, w.between(2*time.Minute, 10*time.Minute), func(int) { w.send(from, tcp(1+w.IntN(65535))) })
	}},
	{name: "scan from 400 to 1000 sources", rule: "scan-distributed", severity: event.Medium, lasts: 10 * time.Minute, many: true, run: func(w *world, _ netip.Addr) {
		n := 400 + w.IntN(600)
		for i := range n {
			from := w.stranger()
			w.after(w.between(0, 5*time.Minute), func() {
				w.every(3, 200*time.Millisecond, func(k int) { w.send(from, tcp(1+3*i+k)) })
			})
		}
	}},
	{name: "guessing after the first knock", rule: "guessing", severity: event.Medium, lasts: 5 * time.Minute, run: func(w *world, from netip.Addr) {
		w.every(30, w.between(time.Second, 20*time.Second), func(int) { w.guess(from, 1+w.IntN(2)) })
	}},
	{name: "guessing from 40 to 100 sources", rule: "guessing-distributed", severity: event.High, lasts: 20 * time.Minute, many: true, run: func(w *world, _ netip.Addr) {
		for range 40 + w.IntN(60) {
			from := w.stranger()
			w.after(w.between(0, 15*time.Minute), func() { w.guess(from, 1) })
		}
	}},
	{name: "all knocks but the last", rule: "near-miss", severity: event.High, lasts: 5 * time.Minute, run: func(w *world, from netip.Addr) {
		w.every(8, 5*time.Second, func(int) { w.guess(from, 3) })
	}},
	{name: "recorded messages, sent again", rule: "replay", severity: event.Medium, lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.refuseEvery(3+w.IntN(10), time.Second, event.Replayed, from, "p1")
	}},
	{name: "recorded messages, from elsewhere", rule: "interception", severity: event.High, lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.refuseEvery(1, time.Second, event.Intercepted, from, "p1")
	}},
	{name: "a stranger with the public key", rule: "unknown-client", severity: event.Medium, lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.refuseEvery(1+w.IntN(50), time.Second, event.UnknownClient, from, "")
	}},
	{name: "a client's name, another's key", rule: "unknown-client", severity: event.High, lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.refuseEvery(1+w.IntN(50), time.Second, event.BadProof, from, "p1")
	}},
	{name: "a stolen key, used beside its owner", rule: "two-places", severity: event.Medium, lasts: 10 * time.Minute, run: func(w *world, from netip.Addr) {
		owner := w.stranger()
		w.every(6, time.Minute, func(i int) { w.granted("ssh", "victim", []netip.Addr{owner, from}[i%2], event.BySPA) })
	}},
	{name: "a client tries other doors", rule: "forbidden-door", severity: event.Medium, lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.forbid(5+w.IntN(20), event.ForbiddenDoor, from)
	}},
	{name: "a client knocks from forbidden places", rule: "forbidden-place", severity: event.Medium, lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.forbid(5+w.IntN(20), event.ForbiddenFrom, from)
	}},
	{name: "in, and then passwords", rule: "failed-logins", severity: event.High, lasts: 10 * time.Minute, run: func(w *world, from netip.Addr) {
		w.granted("ssh", "", from, event.BySequence)
		w.every(30, 3*time.Second, func(int) { w.event(event.Event{Kind: event.KindLogin, Reason: event.LoginFailed, Source: from}) })
	}},
	{name: "a flood of one port from one source", rule: "flood", severity: event.Medium, lasts: time.Minute, many: true, run: func(w *world, from netip.Addr) {
		w.every(10, time.Second, func(int) {
			w.event(event.Event{Kind: event.KindContacts, Source: from, Count: event.Contacts{Packets: uint64(15_000 + w.IntN(100_000)), Ports: 1, Seen: 1}})
		})
	}},
	{name: "a flood", rule: "flood", severity: event.Medium, lasts: time.Minute, many: true, run: func(w *world, _ netip.Addr) {
		w.every(10, time.Second, func(int) {
			w.event(event.Event{Kind: event.KindRefusal, Reason: event.BadTag, Count: event.Contacts{Packets: uint64(15_000 + w.IntN(100_000))}})
		})
	}},
}

// attackTable runs every model in the middle of an ordinary afternoon, and
// prints how often it was found, and what else was. It returns how often
// something was not as it should be.
func attackTable(out io.Writer, seed uint64, trials int) (wrong int) {
	fmt.Fprintf(out, "Attacks, %d of each model, an hour into ordinary traffic:\n", trials)
	fmt.Fprintf(out, "  %-40s %-26s %8s %8s %8s   %s\n", "model", "finding", "found", "missed", "others", "told after, median")
	for i, m := range models {
		right, others := 0, 0
		var delays []time.Duration
		for trial := range trials {
			w := newWorld(seed, uint64(1000+100*i)<<32+uint64(trial))
			w.ordinary(begin, 2*time.Hour)
			w.run(begin.Add(time.Hour))
			began, from := w.now, w.stranger()
			w.after(0, func() { m.run(w, from) })
			w.run(began.Add(m.lasts + 2*time.Minute))
			seen := false
			for _, f := range w.above() {
				if f.Rule != m.rule || f.Severity != m.severity || seen || m.many == f.Source.IsValid() || !m.many && m.rule != "two-places" && f.Source != from {
					others++
					fmt.Fprintf(out, "    %s: also %s %s: %s (%d times; %q)\n", m.name, f.Rule, f.Severity, f.Explanation, f.Count, f.Evidence)
					continue
				}
				seen = true
				delays = append(delays, w.first[f.ID+string(f.Severity)].Sub(began))
			}
			if seen {
				right++
			}
		}
		wrong += trials - right + others
		median := "-"
		if slices.Sort(delays); len(delays) > 0 {
			median = delays[len(delays)/2].Round(100 * time.Millisecond).String()
		}
		fmt.Fprintf(out, "  %-40s %-26s %8d %8d %8d   %s\n", m.name, m.rule+" "+string(m.severity), right, trials-right, others, median)
	}
	fmt.Fprintln(out)
	return wrong
}
