// Package gate decides. It takes decoded packets with the time they arrived
// and returns grants, refusals with their reasons, or nothing. It is pure: no
// input or output, no goroutines, no clock, no logging. One goroutine uses it.
package gate

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"sallyport/internal/askcode"
	"sallyport/internal/config"
	"sallyport/internal/enrolled"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/replay"
	"sallyport/internal/sequence"
	"sallyport/internal/spent"
)

// Decision is what one packet led to. Kind is KindGrant, KindRefusal or
// another kind of event; a decision to grant takes effect when its grants have
// been handed to the firewall.
type Decision struct {
	Kind      event.Kind
	Reason    event.Reason
	Source    netip.Addr
	Door      string              // of a refusal that concerns one door
	Client    string              // whose message it is; before it is authenticated, whose it claims to be
	Grants    []event.Grant       // what to open, with KindGrant; valid for ever
	Right     int                 // of a broken sequence: right knocks in a row
	Of        int                 // of a broken sequence: its length
	Detail    string              // for people
	Record    Record              // to be kept, on disk, before anything else is done
	Enrolment *enrolled.Enrolment // with KindEnrolment
	Code      *askcode.Code       // with KindAsked: what the operator has to type
	Carried   []byte              // the message, where a door that it opens is shared with other gates: see spa.Carried
	Reply     *Reply              // to whom to report what came of it; nil: to nobody

	Authenticated bool          // as of an event: a client has signed what led to this
	Bound         bool          // as of an event: the source is part of what was signed
	Message       event.Message // what has led to this, or what it is a copy of, once that is authenticated
}

// Record is what a decision uses up: the message or the sequence that led to it
// never works again once that is on disk. At most one of the two is there; the zero
// Record has nothing to keep.
type Record struct {
	Message  *replay.Record
	Sequence *spent.Record
}

// IsZero reports whether there is nothing to keep.
func (r Record) IsZero() bool { return r == Record{} }

// Event describes the decision, for everything but each grant of its own.
func (d Decision) Event(now time.Time) event.Event {
	e := event.Event{Time: now, Kind: d.Kind, Reason: d.Reason, Source: d.Source, Door: d.Door, Client: d.Client, Detail: d.Detail,
		Authenticated: d.Authenticated, Bound: d.Bound, Right: d.Right, Of: d.Of}
	if d.Reason == event.WrongKnock {
		e.Detail = fmt.Sprintf("after %d right knocks of %d", d.Right, d.Of)
	}
	return e
}

// Host is what the gate must know about the machine it runs on.
type Host struct {
	Addresses []netip.Addr   // its own
	Prefixes  []netip.Prefix // its own too, by routes
	Listeners []packet.Port  // ports on which something listens
	Ephemeral [2]uint16      // first and last local port of outgoing connections; zero: unknown
}

// Gate decides about packets.
type Gate struct {
	config    *config.Config
	host      Host
	own       map[netip.Addr]struct{}
	routed    prefixes // own by routes
	to        prefixes
	neutral   portSet
	tracker   *sequence.Tracker
	messages  *messages // nil while SPA is off
	foreign   *foreign  // nil while fwknop's clients are
	permit    permit
	plan      *Plan        // what the tracker follows
	spent     *spent.Guard // nil: nothing that opens only once opens anything
	changes   int          // of what plans are made of
	decisions []Decision
	elsewhere atomic.Uint64
	copies    copies // of messages in STUN
	invites   invites
}

// New returns a gate for a configuration.
func New(cfg *config.Config, s SPA, host Host, now time.Time) *Gate {
	g := &Gate{copies: copies{seed: maphash.MakeSeed()}, tracker: sequence.New(sequence.Compile(nil), sequence.Limits{}, now), plan: &Plan{step: sequence.StepAt(now)}}
	g.Reconfigure(cfg, s, now)
	g.SetHost(host)
	return g
}

// Reconfigure takes a new configuration. Sequences in progress that it still
// holds go on.
func (g *Gate) Reconfigure(cfg *config.Config, s SPA, now time.Time) {
	g.config = cfg
	g.permit.reconfigure(cfg)
	switch {
	case s.Guard == nil || cfg.SPA.Port == 0:
		g.messages = nil
	case g.messages == nil:
		g.messages = newMessages(cfg, s, &g.permit, &g.copies, now)
		g.messages.invites = g.invites
	default:
		g.messages.reconfigure(cfg, s)
	}
	if s.Guard == nil || cfg.SPA.FwknopPort == 0 {
		g.foreign = nil
	} else {
		if g.foreign == nil {
			g.foreign = newForeign(s, &g.permit, now)
		}
		g.foreign.reconfigure(cfg, s)
	}
	if s.Guard != nil {
		s.Guard.SetWindow(cfg.SPA.Window())
	}
	g.to = prefixes{}
	for i := range cfg.Doors {
		door := &cfg.Doors[i]
		for _, p := range door.To {
			g.to.add(p)
		}
	}
	g.setNeutral()
	g.replan(sequence.StepAt(now))
}

// SetHost takes what has changed about the host. Which ports are in use matters
// to rotating sequences, so that Planning has something to do then.
func (g *Gate) SetHost(host Host) {
	g.host = host
	g.own = make(map[netip.Addr]struct{}, len(host.Addresses))
	for _, a := range host.Addresses {
		g.own[a] = struct{}{}
	}
	g.routed = prefixes{}
	for _, p := range host.Prefixes {
		g.routed.add(p)
	}
	if before := g.neutral; g.setNeutral() != before {
		g.changes++
	}
}

// setNeutral collects the ports that are no knocks: doors, public ports and
// whatever else is open, and UDP ports on which replies to the host's own
// traffic arrive. The knocks of a sequence that is written in the configuration
// always count; a rotating one goes without those that do not.
func (g *Gate) setNeutral() portSet {
	g.neutral = portSet{}
	for n := int(g.host.Ephemeral[0]); n != 0 && n <= int(g.host.Ephemeral[1]); n++ {
		g.neutral.add(packet.Port{Proto: packet.UDP, Number: uint16(n)})
	}
	for _, p := range g.host.Listeners {
		g.neutral.add(p)
	}
	for _, p := range g.config.Gate.Public {
		g.neutral.add(p)
	}
	for _, p := range g.config.SPA.Ports() {
		g.neutral.add(p)
	}
	for _, door := range g.config.Doors {
		for _, p := range door.Ports {
			g.neutral.add(p)
		}
	}
	for _, door := range g.config.Doors {
		for _, p := range door.Sequence {
			g.neutral.remove(p)
		}
		for _, p := range door.Previous {
			g.neutral.remove(p)
		}
		for _, o := range door.OneTime {
			for _, p := range o.Knocks {
				g.neutral.remove(p)
			}
		}
	}
	return g.neutral
}

// Watches reports whether a packet to this port can be a knock, so that the
// capture can leave out all others. The SPA port is not among them.
func (g *Gate) Watches(p packet.Port) bool {
	return len(g.plan.ways) > 0 && !g.neutral.has(p)
}

// Closed reports whether nothing is to be had at this port: it is neither a door
// nor public, and nothing listens.
func (g *Gate) Closed(p packet.Port) bool { return !g.neutral.has(p) }

// Touches reports whether a packet tries a closed port of the host.
func (g *Gate) Touches(p *packet.Packet) bool {
	return isKnock(p) && g.Closed(p.Port()) && g.isHere(p.Dst)
}

// Observe decides about one packet. The decisions are valid until the next
// call; almost always there are none.
func (g *Gate) Observe(now time.Time, p *packet.Packet) []Decision {
	g.decisions = g.decisions[:0]
	message := g.messages != nil && p.Port() == packet.Port{Proto: packet.UDP, Number: g.config.SPA.Port}
	foreign := g.foreign != nil && p.Port() == packet.Port{Proto: packet.UDP, Number: g.config.SPA.FwknopPort}
	switch {
	case !message && !foreign && !(isKnock(p) && g.Watches(p.Port())):
	case !g.isHere(p.Dst):
		g.elsewhere.Add(1)
	case message:
		g.observeMessage(now, p)
	case foreign:
		g.decisions = g.foreign.observe(now, p, g.decisions)
	default:
		g.observeKnock(now, p)
	}
	return g.decisions
}

// Elsewhere returns how many packets would have been looked at as knocks or
// messages, were they not for an address that is none of this host's. On a
// router these are what it forwards. Any goroutine may call it.
func (g *Gate) Elsewhere() uint64 { return g.elsewhere.Load() }

func (g *Gate) isHere(dst netip.Addr) bool {
	if _, own := g.own[dst]; own {
		return true
	}
	return g.routed.contain(dst) || g.to.contain(dst)
}

func isKnock(p *packet.Packet) bool {
	const kind = packet.SYN | packet.ACK | packet.RST | packet.FIN
	return p.Proto == packet.UDP || p.Proto == packet.TCP && p.Flags&kind == packet.SYN
}

func (g *Gate) observeKnock(now time.Time, p *packet.Packet) {
	o := g.tracker.Observe(now, p)
	for _, i := range o.Done {
		g.completed(now, p.Src, &g.plan.ways[i])
	}
	for _, i := range o.Late {
		g.decide(Decision{Kind: event.KindRefusal, Reason: event.TooSlow, Source: p.Src, Door: g.plan.ways[i].name()})
	}
	if o.Broken > 0 {
		g.decide(brokenOff(p.Src, o, &g.plan.ways[o.Began]))
	}
	if o.Scanner {
		g.decide(Decision{Kind: event.KindRefusal, Reason: event.Scanner, Source: p.Src})
	}
}

// brokenOff is the decision about a sequence that was begun and not completed.
// Its door, and the client whose secret it is made from, are for the operator:
// nothing answers a sequence.
func brokenOff(source netip.Addr, o sequence.Outcome, w *way) Decision {
	d := Decision{Kind: event.KindRefusal, Reason: event.WrongKnock, Source: source, Door: w.name(), Right: o.Broken, Of: o.Of}
	if w.client != nil {
		d.Client = w.client.Name
	}
	return d
}

func (g *Gate) observeMessage(now time.Time, p *packet.Packet) {
	d, partly := g.messages.observe(now, p)
	if d.Kind != KindNothing {
		g.decide(d)
	}
	for _, d := range partly {
		g.decide(d)
	}
}

func (g *Gate) decide(d Decision) { g.decisions = append(g.decisions, d) }
