//go:build linux

// Package pump is the one goroutine that runs the gate: it takes packets from the
// capture, lets the gate decide, and passes decisions on. Nothing it does waits for
// a disk, a socket or the firewall; what the gate must know, such as a new
// configuration, it takes between two batches of packets. It also says
// which packets the capture takes.
package pump

import (
	"context"
	"fmt"
	"time"

	"sallyport/internal/capture"
	"sallyport/internal/daemon/contacts"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/packet"
)

// Source is where packets come from, and what says which.
type Source interface {
	capture.Source
	Prepare(capture.Filter) error
	SetFilter(capture.Filter) error
}

// Pump runs a gate. The methods that take a context wait until the pump has done
// what they ask for, and return an error only when the context ends.
type Pump struct {
	source   Source
	gate     *gate.Gate
	decided  func(now time.Time, d gate.Decision)
	put      func(event.Event)
	commands chan func()
	contacts *contacts.Counter // nil: nothing asks who touches closed ports
	sampling sampling

	packet packet.Packet
}

// New returns a pump that captures nothing before Look. Decided and put must not
// block: decided takes decisions, put who has touched closed ports.
func New(source Source, g *gate.Gate, decided func(time.Time, gate.Decision), put func(event.Event)) *Pump {
	return &Pump{source: source, gate: g, decided: decided, put: put, commands: make(chan func(), 8)}
}

// Run pumps until the context ends.
func (p *Pump) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, p.source.Wake)()
	for ctx.Err() == nil {
		if err := p.source.Receive(p.handle); err != nil {
			return fmt.Errorf("receive packets: %w", err)
		}
		p.obey()
	}
	return nil
}

// obey carries out all commands that wait: several may have woken the pump once.
func (p *Pump) obey() {
	for {
		select {
		case command := <-p.commands:
			command()
		default:
			return
		}
	}
}

// handle takes one captured packet. What does not decode is no knock.
func (p *Pump) handle(now time.Time, in int, ip []byte) {
	if p.packet.Decode(ip) != nil {
		return
	}
	p.packet.In = in
	for _, d := range p.gate.Observe(now, &p.packet) {
		p.decided(now, d)
	}
	if p.contacts != nil && p.gate.Touches(&p.packet) {
		p.contacts.Touched(now, &p.packet)
	}
}

// do runs f between two batches, on the pump's goroutine, and waits for it.
func (p *Pump) do(ctx context.Context, f func()) error {
	_, err := ask(ctx, p, func() struct{} { f(); return struct{}{} })
	return err
}

// ask runs f between two batches, on the pump's goroutine, and returns what it
// returns. A pump that comes by when nothing waits any more disturbs nothing.
func ask[T any](ctx context.Context, p *Pump, f func() T) (answer T, err error) {
	done := make(chan T, 1)
	select {
	case p.commands <- func() { done <- f() }:
	case <-ctx.Done():
		return answer, fmt.Errorf("reach the gate: %w", ctx.Err())
	}
	p.source.Wake() // is remembered if the pump is not asleep
	select {
	case answer = <-done:
		return answer, nil
	case <-ctx.Done():
		return answer, fmt.Errorf("reach the gate: %w", ctx.Err())
	}
}
