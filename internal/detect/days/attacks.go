package days

import (
	"net/netip"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

// Model is a kind of attack, and what must be found of it.
type Model struct {
	ID       string
	Name     string
	Rule     string
	Severity event.Severity
	Lasts    time.Duration
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

// Models are all attacks that are simulated.
var Models = []Model{
	{ID: "scan-ordered", Name: "scan, ordered, 50 to 2000 ports/s", Rule: "scan-fast", Severity: event.Low, Lasts: time.Minute, run: func(w *world, from netip.Addr) {
		n := 50 + w.IntN(1950)
		w.every(5000, time.Second/time.Duration(n), func(i int) { w.send(from, tcp(1+i)) })
	}},
	{ID: "scan-shuffled", Name: "scan, shuffled", Rule: "scan-fast", Severity: event.Low, Lasts: time.Minute, run: func(w *world, from netip.Addr) {
		order := w.Perm(65535)
		w.every(5000, 5*time.Millisecond, func(i int) { w.send(from, tcp(1+order[i])) })
	}},
	{ID: "scan-whole", Name: "scan, every TCP port in 3 to 5 seconds", Rule: "scan-fast", Severity: event.Low, Lasts: time.Minute, run: func(w *world, from netip.Addr) {
		order, apart := w.Perm(65535), w.between(45*time.Microsecond, 76*time.Microsecond)
		w.every(65535, apart, func(i int) { w.send(from, tcp(1+order[i])) })
	}},
	{ID: "scan-popular", Name: "scan, popular ports, one a second", Rule: "scan-fast", Severity: event.Low, Lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.every(len(Popular), time.Second, func(i int) { w.send(from, tcp(int(Popular[i]))) })
	}},
	{ID: "scan-slow", Name: "scan, slow: a port in 2 to 10 minutes", Rule: "scan-slow", Severity: event.Medium, Lasts: 5 * time.Hour, run: func(w *world, from netip.Addr) {
		w.every(30, w.between(2*time.Minute, 10*time.Minute), func(int) { w.send(from, tcp(1+w.IntN(65535))) })
	}},
	{ID: "scan-distributed", Name: "scan from 400 to 1000 sources", Rule: "scan-distributed", Severity: event.Medium, Lasts: 10 * time.Minute, many: true, run: func(w *world, _ netip.Addr) {
		n := 400 + w.IntN(600)
		for i := range n {
			from := w.stranger()
			w.after(w.between(0, 5*time.Minute), func() {
				w.every(3, 200*time.Millisecond, func(k int) { w.send(from, tcp(1+3*i+k)) })
			})
		}
	}},
	{ID: "guessing", Name: "guessing after the first knock", Rule: "guessing", Severity: event.Medium, Lasts: 5 * time.Minute, run: func(w *world, from netip.Addr) {
		w.every(30, w.between(time.Second, 20*time.Second), func(int) { w.guess(from, 1+w.IntN(2)) })
	}},
	{ID: "guessing-distributed", Name: "guessing from 40 to 100 sources", Rule: "guessing-distributed", Severity: event.High, Lasts: 20 * time.Minute, many: true, run: func(w *world, _ netip.Addr) {
		for range 40 + w.IntN(60) {
			from := w.stranger()
			w.after(w.between(0, 15*time.Minute), func() { w.guess(from, 1) })
		}
	}},
	{ID: "near-miss", Name: "all knocks but the last", Rule: "near-miss", Severity: event.High, Lasts: 5 * time.Minute, run: func(w *world, from netip.Addr) {
		w.every(8, 5*time.Second, func(int) { w.guess(from, 3) })
	}},
	{ID: "replay", Name: "recorded messages, sent again", Rule: "replay", Severity: event.Medium, Lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.refuseEvery(3+w.IntN(10), time.Second, event.Replayed, from, "p1")
	}},
	{ID: "interception", Name: "recorded messages, from elsewhere", Rule: "interception", Severity: event.High, Lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.refuseEvery(1, time.Second, event.Intercepted, from, "p1")
	}},
	{ID: "stranger", Name: "a stranger with the public key", Rule: "unknown-client", Severity: event.Medium, Lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.refuseEvery(1+w.IntN(50), time.Second, event.UnknownClient, from, "")
	}},
	{ID: "borrowed-name", Name: "a client's name, another's key", Rule: "unknown-client", Severity: event.High, Lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.refuseEvery(1+w.IntN(50), time.Second, event.BadProof, from, "p1")
	}},
	{ID: "two-places", Name: "a stolen key, used beside its owner", Rule: "two-places", Severity: event.Medium, Lasts: 10 * time.Minute, run: func(w *world, from netip.Addr) {
		owner := w.stranger()
		w.every(6, time.Minute, func(i int) { w.granted("ssh", "victim", []netip.Addr{owner, from}[i%2], event.BySPA) })
	}},
	{ID: "forbidden-door", Name: "a client tries other doors", Rule: "forbidden-door", Severity: event.Medium, Lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.forbid(5+w.IntN(20), event.ForbiddenDoor, from)
	}},
	{ID: "forbidden-place", Name: "a client knocks from forbidden places", Rule: "forbidden-place", Severity: event.Medium, Lasts: time.Minute, run: func(w *world, from netip.Addr) {
		w.forbid(5+w.IntN(20), event.ForbiddenFrom, from)
	}},
	{ID: "failed-logins", Name: "in, and then passwords", Rule: "failed-logins", Severity: event.High, Lasts: 10 * time.Minute, run: func(w *world, from netip.Addr) {
		w.granted("ssh", "", from, event.BySequence)
		w.every(30, 3*time.Second, func(int) { w.event(event.Event{Kind: event.KindLogin, Reason: event.LoginFailed, Source: from}) })
	}},
	{ID: "flood-one-port", Name: "a flood of one port from one source", Rule: "flood", Severity: event.Medium, Lasts: time.Minute, many: true, run: func(w *world, from netip.Addr) {
		w.every(10, time.Second, func(int) {
			w.event(event.Event{Kind: event.KindContacts, Source: from, Count: event.Contacts{Packets: uint64(15_000 + w.IntN(100_000)), Ports: 1, Seen: 1}})
		})
	}},
	{ID: "flood", Name: "a flood", Rule: "flood", Severity: event.Medium, Lasts: time.Minute, many: true, run: func(w *world, _ netip.Addr) {
		w.every(10, time.Second, func(int) {
			w.event(event.Event{Kind: event.KindRefusal, Reason: event.BadTag, Count: event.Contacts{Packets: uint64(15_000 + w.IntN(100_000))}})
		})
	}},
}

// Outcome is what was found of an attack.
type Outcome struct {
	Seen   bool
	After  time.Duration   // from its beginning to the finding
	Others []event.Finding // what else is above info, none of which is right
}

// Try runs a model in the middle of an ordinary afternoon.
func (m *Model) Try(cfg *config.Config, seed, stream uint64) (o Outcome) {
	w := newWorld(cfg, seed, stream)
	w.ordinary(Begin, 2*time.Hour)
	w.run(Begin.Add(time.Hour))
	began, from := w.now, w.stranger()
	w.after(0, func() { m.run(w, from) })
	w.run(began.Add(m.Lasts + 2*time.Minute))
	for _, f := range w.above() {
		if f.Rule != m.Rule || f.Severity != m.Severity || o.Seen || m.many == f.Source.IsValid() || !m.many && m.Rule != "two-places" && f.Source != from {
			o.Others = append(o.Others, f)
			continue
		}
		o.Seen, o.After = true, w.first[f.ID+string(f.Severity)].Sub(began)
	}
	return o
}
