package gate

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/key"
	"sallyport/internal/limit"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
	"sallyport/internal/replay"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
	"sallyport/internal/stun"
	"sallyport/internal/weak"
)

// OpensPerSecond is how many SPA messages are opened at most. Opening one takes
// 50 to 100 µs, so this is a fifth of a core, no matter who sends what.
const OpensPerSecond = 2000

const (
	diagnoseEvery = 500 * time.Millisecond // for datagrams that only the clock may have spoilt
)

// Verifying a signature, in units of opening a message. RSA is cheap to
// verify; the large curve is not.
const slowProof = 4

// SPA is what the gate needs for SPA messages. The zero SPA turns them off.
type SPA struct {
	Keys  key.Keyring
	Guard *replay.Guard // used by the gate alone from now on
	Seed  [2]uint64     // random and secret, for the budget
}

// Reply is where the sender of an authenticated message waits for an answer.
type Reply struct {
	Message *spa.Message
	From    netip.AddrPort // the gate's address and port, as the client knows them
	To      netip.AddrPort
	In      int     // index of the interface that the message came by; 0: unknown
	STUN    *InSTUN // nil: it came by itself
}

// messages judges SPA messages.
type messages struct {
	SPA
	config    *config.Config
	opener    *spa.Opener
	budget    *limit.Budget
	clients   clients
	invites   invites
	doors     map[[4]byte][]*config.Door // of a door or group, by its id
	stun      bool                       // messages may come in STUN
	copies    *copies
	permit    *permit
	recent    recent
	diagnosed time.Time
}

func newMessages(cfg *config.Config, s SPA, p *permit, c *copies, now time.Time) *messages {
	m := &messages{SPA: s, permit: p, copies: c, budget: limit.New(OpensPerSecond, s.Seed, now)}
	m.reconfigure(cfg, s)
	return m
}

func (m *messages) reconfigure(cfg *config.Config, s SPA) {
	m.config, m.Keys, m.Guard = cfg, s.Keys, s.Guard
	m.opener = spa.NewOpener(s.Keys, cfg.SPA.ClockSkew)
	m.clients = configured(cfg)
	m.stun = cfg.TakesSTUN()
	m.doors = make(map[[4]byte][]*config.Door, len(cfg.Doors)+len(cfg.Groups))
	for i := range cfg.Doors {
		m.doors[spa.DoorID(cfg.Doors[i].Name)] = []*config.Door{&cfg.Doors[i]}
	}
	of := doorsOf(cfg)
	for _, group := range cfg.Groups {
		m.doors[spa.DoorID(group.Name)] = of(group.Doors)
	}
}

// observe judges one datagram to the SPA port, the cheapest check first. Where some
// doors open, partly are the refusals of the others.
func (m *messages) observe(now time.Time, p *packet.Packet) (d Decision, partly []Decision) {
	d = Decision{Kind: event.KindRefusal, Source: p.Src}
	if len(p.Payload) != p.Length { // captured in part, so longer than any message
		d.Reason = event.BadLength
		return d, nil
	}
	if m.stun && stun.IsRequest(p.Payload) {
		return m.observeSTUN(now, p, d)
	}
	tagged, reason := m.opener.Check(now, p.Payload)
	if reason == spa.BadTag {
		return m.diagnose(now, p, d), nil
	}
	if reason != "" {
		d.Reason = event.Reason(reason)
		return d, nil
	}
	return m.look(now, p, arrival{message: p.Payload, tagged: tagged}, d)
}

// look opens a message whose tag is right, if it is none that is known already and
// there is budget for it.
func (m *messages) look(now time.Time, p *packet.Packet, a arrival, d Decision) (Decision, []Decision) {
	if c, ok := m.recent.find(a.message, p.Src); ok {
		if v := seen(m.Guard, c.id, now); v == replay.Repeated || v == replay.Intercepted {
			if c.isDouble(now, p, v) {
				m.copies.count.Add(1)
				d.Kind, d.Reason = KindNothing, ""
				return d, nil
			}
			return a.again(now, d, c, v), nil
		}
	}
	if !m.budget.Allow(now, p.Src) {
		d.Reason = event.OverBudget
		return d, nil
	}
	message, reason := a.tagged.Open()
	if reason != "" {
		d.Reason = event.Reason(reason)
		return d, nil
	}
	return m.judge(now, p, a, message, d)
}

// diagnose looks whether only the sender's clock is to blame. Nothing follows
// from it but an event that says so.
func (m *messages) diagnose(now time.Time, p *packet.Packet, d Decision) Decision {
	d.Reason = event.BadTag
	if now.Sub(m.diagnosed) < diagnoseEvery {
		return d
	}
	m.diagnosed = now
	message, ok := m.opener.Diagnose(now, p.Payload)
	if !ok {
		return d
	}
	d.Kind, d.Reason, d.Client = event.KindClock, event.StaleTime, m.claimed(message)
	d.Detail = clockDetail(message.Header.Time, now)
	return d
}

// claimed is the name of the client that a message says it is from.
func (m *messages) claimed(message *spa.Message) string {
	if c := m.clients.byKey(message.Header.Client); c != nil {
		return c.Name
	}
	if i := m.invites[message.Header.Client]; i != nil && message.Header.Op == spa.Enrol {
		return i.Name
	}
	return ""
}

func clockDetail(stamped, now time.Time) string {
	off := stamped.Sub(now).Round(time.Second)
	if off < 0 {
		return fmt.Sprintf("the clock of this source is %s behind", phrase.Duration(-off))
	}
	return fmt.Sprintf("the clock of this source is %s ahead", phrase.Duration(off))
}

// judge decides about a message that was sealed for this server. Until its
// proof has been verified, everything in it is only claimed.
func (m *messages) judge(now time.Time, p *packet.Packet, a arrival, message *spa.Message, d Decision) (Decision, []Decision) {
	h := message.Header
	password, reason := a.password(message)
	if reason != "" {
		d.Reason = reason
		return d, nil
	}
	if h.Op == spa.Enrol {
		return m.enrol(now, p, a, message, password, d), nil
	}
	client := m.clients.byKey(h.Client)
	if client == nil {
		d.Reason = event.UnknownClient
		return d, nil
	}
	d.Client = client.Name
	if !h.Fresh(now, m.config.SPA.ClockSkew) {
		d.Reason, d.Detail = event.StaleTime, clockDetail(h.Time, now)
		return d, nil
	}
	id := replay.Message{Client: h.Client, R: message.Nonce, Mark: mark(a.message), Stamped: h.Time, Source: p.Src}
	c := copied{client: client.Name, id: id, bound: h.Bound}
	if v := seen(m.Guard, id, now); v == replay.Repeated || v == replay.Intercepted {
		return a.again(now, d, c, v), nil
	}
	if len(message.Proof) > ed25519Proofs && client.Key.Type() != ssh.KeyAlgoRSA {
		m.budget.Spend(slowProof)
	}
	if sshauth.Verify(client.Key, message.Signed(p.Src), message.Proof) != nil && !weak.Proof && !(weak.Bound && h.Bound) {
		d.Reason = event.BadProof
		return d, nil
	}
	m.budget.Good(now, p.Src)
	record, v := m.Guard.Admit(id, now)
	if v != replay.Fresh {
		return again(d, c, v), nil
	}
	m.recent.keep(now, p, a.message, c)
	d.Authenticated, d.Bound, d.Message = true, h.Bound, event.Message(id.R)
	d.Record.Message = &record
	if h.Ack {
		d.Reply = a.reply(p, message, password)
	}
	return m.obey(now, p, a, message, client, d)
}

// seen asks the guard whether a message is a copy. An interception is reported once.
func seen(guard *replay.Guard, id replay.Message, now time.Time) replay.Verdict {
	v := guard.Check(id, now)
	if v == replay.Intercepted {
		guard.Told(id)
	}
	return v
}

// ed25519Proofs is the size of the longest proof of an Ed25519 key.
const ed25519Proofs = 69

// mark tells a copy of a message from another one with the same random bytes.
func mark(payload []byte) [8]byte {
	sum := sha256.Sum256(payload)
	return [8]byte(sum[:8])
}

// again refuses what the replay guard does not call fresh. A copy of a bound
// message can open nothing from elsewhere, and so ends nothing: else anyone who can
// read a client's network would keep it out with one packet for each message.
func again(d Decision, c copied, v replay.Verdict) Decision {
	d.Client = c.client
	switch {
	case v == replay.Repeated:
		d.Reason = event.Replayed
	case v == replay.Intercepted && c.bound:
		d.Reason = event.Replayed
		d.Detail = "a message that is bound to another address, and so worthless from this one: someone on the way has a copy"
	case v == replay.Intercepted:
		d.Reason = event.Intercepted
		d.Detail = "the same message has come from another source before: someone on the way has a copy"
		d.Authenticated, d.Message = true, event.Message(c.id.R) // it is reported once for each message
	case v == replay.Forgotten:
		d.Reason = event.StaleTime
		d.Detail = "stamped before the replay guard's memory begins; a newer message will do"
	default:
		d.Reason, d.Detail = event.NoRecord, v.String()
	}
	return d
}

// obey decides about an authenticated message. It is recorded even if nothing
// is opened.
func (m *messages) obey(now time.Time, p *packet.Packet, a arrival, message *spa.Message, client *config.Client, d Decision) (Decision, []Decision) {
	h := message.Header
	if h.Op == spa.Ask {
		return m.ask(now, a, message, client, d), nil
	}
	doors, reason := m.wanted(client, h.Door)
	switch {
	case a.stun && !client.STUN, !client.MayUse(message.Suite()):
		reason = event.ForbiddenWay
	case !client.Expires.IsZero() && !now.Before(client.Expires):
		reason = event.KeyExpired
	case !client.From.Allows(p.Src):
		reason = event.ForbiddenFrom
	case m.config.SPA.RequireBound && !h.Bound:
		reason = event.WrongAddress
	}
	if reason != "" {
		d.Reason = reason
		return d, nil
	}
	if h.Op == spa.Close {
		d.Kind, d.Reason = event.KindRevocation, event.ByClient
		for _, door := range doors {
			d.Grants = append(d.Grants, event.Grant{Door: door.Name, Source: p.Src, Client: client.Name})
		}
		return d, nil
	}
	given, partly := m.give(now, asked{source: p.Src, client: client, doors: doors, seconds: h.Seconds, single: h.Single, proof: keyProof(client)}, d)
	if given.Kind == event.KindGrant && !h.Single && slices.ContainsFunc(doors, func(door *config.Door) bool { return door.Shared != "" && (h.Bound || door.SharedUnbound) }) {
		given.Carried = message.Carry()
	}
	return given, partly
}

// give opens what may be opened now, and refuses the rest.
func (m *messages) give(now time.Time, a asked, d Decision) (Decision, []Decision) {
	grants, refused := m.permit.give(now, a)
	if len(grants) == 0 {
		d.Reason, d.Detail = because(refused)
		if len(refused) == 1 {
			d.Door = refused[0].Door
		}
		return d, nil
	}
	m.permit.hold(grants)
	var partly []Decision
	for i := range grants {
		grants[i].Message = d.Message
	}
	for _, r := range refused {
		r.Client, r.Authenticated, r.Bound = d.Client, d.Authenticated, d.Bound
		partly = append(partly, r)
	}
	d.Kind, d.Reason, d.Grants = event.KindGrant, event.BySPA, grants
	return d, partly
}

// wanted returns the doors that a client means.
func (m *messages) wanted(client *config.Client, id [4]byte) ([]*config.Door, event.Reason) {
	if id == [4]byte{} {
		var all []*config.Door
		for _, name := range client.Doors {
			all = append(all, m.doors[spa.DoorID(name)]...)
		}
		return all, ""
	}
	doors := m.doors[id]
	if doors == nil {
		return nil, event.UnknownDoor
	}
	var may []*config.Door
	for _, door := range doors {
		if slices.Contains(client.Doors, door.Name) {
			may = append(may, door)
		}
	}
	if len(may) == 0 {
		return nil, event.ForbiddenDoor
	}
	return may, ""
}

// openFor is what the client asks for, within what it may have.
func openFor(door *config.Door, client *config.Client, seconds uint16) time.Duration {
	most := door.OpenFor
	if client.MaxOpen != 0 {
		most = client.MaxOpen
	}
	if seconds == 0 {
		return min(door.OpenFor, most)
	}
	return min(time.Duration(seconds)*time.Second, most)
}
