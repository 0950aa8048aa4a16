//go:build linux

package labtest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/lab"
)

const (
	// Patience is how long something that must happen may take on a busy machine.
	Patience = 30 * time.Second
	// Silence is how long a probe waits for an answer that must not come.
	Silence = 250 * time.Millisecond
)

// Ports looks at ports from outside, and fails the test where they are not as they
// should be. It is the one vocabulary of tests that open and close.
type Ports struct{ T testing.TB }

// Probe looks at a port once.
func (p Ports) Probe(h *lab.Host, network string, to netip.AddrPort, timeout time.Duration) lab.Answer {
	p.T.Helper()
	answer, err := h.Probe(network, to, timeout)
	if err != nil {
		p.T.Fatal(err)
	}
	return answer
}

// Closed requires that a port does not answer.
func (p Ports) Closed(h *lab.Host, network string, to netip.AddrPort) {
	p.T.Helper()
	if got := p.Probe(h, network, to, Silence); got == lab.Open {
		p.T.Fatalf("%s %s is open to %s, want closed", network, to, h.Name)
	}
}

// Is requires that a port gives an answer, soon. That of a port that is silent is
// there when nothing has come.
func (p Ports) Is(h *lab.Host, network string, to netip.AddrPort, want lab.Answer) {
	p.T.Helper()
	timeout := Patience
	if want == lab.Silent {
		timeout = Silence
	}
	if got := p.Probe(h, network, to, timeout); got != want {
		p.T.Errorf("%s %s from %s is %s, want %s", network, to, h.Name, got, want)
	}
}

// Opens requires that a port is closed, answers when knock is done, and is closed
// after end.
func (p Ports) Opens(h *lab.Host, network string, to netip.AddrPort, knock, end func()) {
	p.T.Helper()
	p.Closed(h, network, to)
	knock()
	p.Open(h, network, to)
	end()
	p.Closed(h, network, to)
}

// Expires requires that a port is closed, answers when knock is done, and closes
// again by itself.
func (p Ports) Expires(h *lab.Host, network string, to netip.AddrPort, knock func()) {
	p.T.Helper()
	p.Closed(h, network, to)
	opened := p.Watch(h, network, to, lab.Open)
	knock()
	opened()
	p.Closes(h, network, to)
}

// Becomes reports whether a port gives an answer within Patience, whatever it gives
// before.
func (p Ports) Becomes(h *lab.Host, network string, to netip.AddrPort, want lab.Answer) bool {
	p.T.Helper()
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if p.Probe(h, network, to, Silence) == want {
			return true
		}
	}
	return false
}

// Open requires that a port answers, soon.
func (p Ports) Open(h *lab.Host, network string, to netip.AddrPort) {
	p.T.Helper()
	if !p.Becomes(h, network, to, lab.Open) {
		p.T.Fatalf("%s %s is not open to %s", network, to, h.Name)
	}
}

// Closes requires that a port ceases to answer by itself.
func (p Ports) Closes(h *lab.Host, network string, to netip.AddrPort) {
	p.T.Helper()
	if !p.Becomes(h, network, to, lab.Silent) {
		p.T.Fatalf("%s %s stays open to %s", network, to, h.Name)
	}
}

// Watch looks at a port from now on, and returns what waits until it has
// answered like that: what does not last may be over before a command has ended.
func (p Ports) Watch(h *lab.Host, network string, to netip.AddrPort, want lab.Answer) (seen func()) {
	p.T.Helper()
	ctx, cancel := context.WithCancel(p.T.Context())
	answered := make(chan struct{})
	go func() {
		for ctx.Err() == nil {
			if a, err := h.Probe(network, to, Silence); err == nil && a == want {
				close(answered)
				return
			}
		}
	}()
	return func() {
		p.T.Helper()
		defer cancel()
		select {
		case <-answered:
		case <-time.After(Patience):
			p.T.Fatalf("%s %s is never %s to %s", network, to, want, h.Name)
		}
	}
}

// Eventually polls a condition.
func (p Ports) Eventually(what string, ok func() bool) {
	p.T.Helper()
	for deadline := time.Now().Add(Patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.T.Fatalf("never happened: %s", what)
		}
	}
}
