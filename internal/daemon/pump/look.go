//go:build linux

package pump

import (
	"context"
	"time"

	"sallyport/internal/capture"
	"sallyport/internal/config"
	"sallyport/internal/daemon/contacts"
	"sallyport/internal/enrolled"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/packet"
	"sallyport/internal/spent"
)

// View is what the pump cannot know by itself about which packets are of interest.
type View struct {
	Messages capture.Filter // the ports of messages; the rest of it is empty
	Contacts bool           // who touches closed ports is counted here
	Closed   bool           // who touches them is counted elsewhere, which must know them
}

// Seen is what became of a view.
type Seen struct {
	Filter error                  // the filter before is in force
	Closed func(packet.Port) bool // nil if the view does not ask for it
}

// Change is a new configuration for the gate.
type Change struct {
	Config *config.Config
	SPA    gate.SPA
	Memory *spent.Guard // nil: there is none
	Live   []event.Grant
	View   View
}

// Look makes the capture, and the counting of contacts, follow what the gate watches.
// Call it before Run; afterwards Configure and SetHost do the same.
func (p *Pump) Look(now time.Time, v View) Seen {
	var seen Seen
	seen.Filter = p.source.SetFilter(p.filter(v))
	p.count(now, v.Contacts)
	if v.Closed {
		seen.Closed = portsOf(p.gate.Closed)
	}
	return seen
}

// Configure carries a new configuration to gate and capture, between two packets.
func (p *Pump) Configure(ctx context.Context, c Change) (Seen, error) {
	return ask(ctx, p, func() Seen {
		now := time.Now()
		if c.Memory != nil {
			p.gate.Remember(c.Memory, now)
		}
		p.gate.Reconfigure(c.Config, c.SPA, now)
		p.gate.Began(c.Live)
		return p.Look(now, c.View)
	})
}

// Invites carries who is enrolled, and may enrol, to the gate, and what that changes to
// the capture.
func (p *Pump) Invites(ctx context.Context, cfg *config.Config, list []enrolled.Record, v View) (Seen, error) {
	return ask(ctx, p, func() Seen {
		now := time.Now()
		p.gate.Invites(cfg, list, now)
		return p.Look(now, v)
	})
}

// SetHost carries what has changed about the host.
func (p *Pump) SetHost(ctx context.Context, host gate.Host, v View) (Seen, error) {
	return ask(ctx, p, func() Seen {
		p.gate.SetHost(host)
		return p.Look(time.Now(), v)
	})
}

// filter lets through what the gate watches, and all that touches closed ports where
// that is counted here.
func (p *Pump) filter(v View) capture.Filter {
	f := v.Messages
	f.TCP, f.UDP = filterOf(p.gate.Watches)
	none := capture.Ports{}
	p.sampling.allow(f.TCP == none && f.UDP == none)
	if v.Contacts {
		f.TCP, f.UDP = filterOf(p.gate.Closed)
		f.Sample = p.sampling.factor()
	}
	return f
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

// portsOf returns the wanted ports as they are now, for other goroutines.
func portsOf(wanted func(packet.Port) bool) func(packet.Port) bool {
	tcp, udp := filterOf(wanted)
	return func(p packet.Port) bool {
		if p.Proto == packet.TCP {
			return tcp.Has(p.Number)
		}
		return udp.Has(p.Number)
	}
}

// count starts or ends counting.
func (p *Pump) count(now time.Time, on bool) {
	if p.contacts != nil {
		p.contacts.Settle(now.Add(time.Second)) // what there is, is reported now
	}
	switch {
	case !on:
		p.contacts = nil
		return
	case p.contacts == nil:
		p.contacts = contacts.New(p.put)
	}
	p.contacts.Each(p.sampling.factor())
}
