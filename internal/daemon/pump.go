//go:build linux

package daemon

import (
	"context"
	"fmt"
	"time"

	"sallyport/internal/capture"
	"sallyport/internal/gate"
	"sallyport/internal/packet"
)

// pump is the one goroutine that runs the gate: it takes packets from the
// capture, lets the gate decide, and passes decisions on. Nothing it does waits
// for a disk, a socket or the firewall; what the gate must be told, such as a
// new configuration, is done between two batches of packets.
type pump struct {
	source   capture.Source
	gate     *gate.Gate
	decided  func(now time.Time, d gate.Decision) // must not block
	commands chan func()
	contacts *contacts // nil: nobody asks who touches closed ports

	packet packet.Packet
}

func newPump(source capture.Source, g *gate.Gate, decided func(time.Time, gate.Decision)) *pump {
	return &pump{source: source, gate: g, decided: decided, commands: make(chan func(), 8)}
}

// Run pumps until the context ends.
func (p *pump) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, p.source.Wake)()
	for ctx.Err() == nil {
		if err := p.source.Receive(p.handle); err != nil {
			return fmt.Errorf("receive packets: %w", err)
		}
		p.obey()
	}
	return nil
}

// runPump runs the pump before everything else that wants the processor.
func (d *Daemon) runPump(ctx context.Context) error {
	if err := raisePriority(); err != nil {
		d.log.Info("in a flood knocks may be lost where the processor is busy", "error", err)
	}
	return d.pump.Run(ctx)
}

// obey carries out all commands that wait: several may have woken the pump once.
func (p *pump) obey() {
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
func (p *pump) handle(now time.Time, in int, ip []byte) {
	if p.packet.Decode(ip) != nil {
		return
	}
	p.packet.In = in
	for _, d := range p.gate.Observe(now, &p.packet) {
		p.decided(now, d)
	}
	if p.contacts != nil && p.gate.Touches(&p.packet) {
		p.contacts.touched(now, &p.packet)
	}
}

// do runs f between two batches, on the pump's goroutine, and waits for it.
func (p *pump) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case p.commands <- func() { f(); close(done) }:
	case <-ctx.Done():
		return fmt.Errorf("reach the gate: %w", ctx.Err())
	}
	p.source.Wake() // is remembered if the pump is not asleep
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reach the gate: %w", ctx.Err())
	}
}

// filterOf returns the ports that are wanted, for the capture.
func filterOf(wanted func(packet.Port) bool) (tcp, udp capture.Ports) {
	for n := 1; n <= 65535; n++ {
		if wanted(packet.Port{Proto: packet.TCP, Number: uint16(n)}) {
			tcp.Add(uint16(n))
		}
		if wanted(packet.Port{Proto: packet.UDP, Number: uint16(n)}) {
			udp.Add(uint16(n))
		}
	}
	return tcp, udp
}
