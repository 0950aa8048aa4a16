//go:build linux

// Package asks is where people ask to be let in whom no configuration lets in, or not
// there, or not now: a client by a message, anyone by whatever has the right to ask for
// them. An ask opens nothing. An operator sees the address, types the code that the
// asker has on a screen of his own, and chooses door and time; or does not.
//
// Asks are few, short and in memory only: a restart forgets them. No code is ever
// logged, listed or sent anywhere.
package asks

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport/internal/askcode"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/phrase"
)

const (
	maxNote  = 100 // characters
	maxMarks = 3   // on a letter; Vietnamese has two, Hebrew and Thai up to three

	sweepEvery = 5 * time.Second
	knownFor   = 30 * time.Second // what is known of an address is asked for again after this
	lookups    = 16               // addresses that are looked up for one answer
)

// Around is what asks reach of the daemon.
type Around struct {
	InForce func() *config.Config
	Own     func(netip.Addr) bool // an address of this host
	Banned  func(netip.Addr, time.Time) bool
	Open    func(ctx context.Context, q control.OpenRequest, why string) (event.Grant, error)
	Known   func(context.Context, netip.Prefix) (control.Lookup, error)
	Put     func(event.Event)
	Decided func(time.Time, gate.Decision) // takes refusals
	Changed func()                         // who waits is different, though nothing has happened
}

// Desk is where an operator finds them. Its methods may be called by several
// goroutines at once.
type Desk struct {
	Around

	mu   sync.Mutex
	book book
}

// New returns a desk at which nobody waits.
func New(around Around) *Desk { return &Desk{Around: around} }

// Run ends what nobody has decided in time, until the context ends.
func (d *Desk) Run(ctx context.Context) error {
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			d.mu.Lock()
			over := d.book.sweep(now)
			d.mu.Unlock()
			if over {
				d.Changed()
			}
		}
	}
}

// Take takes the ask of a client, which the gate has checked. It does not wait.
func (d *Desk) Take(now time.Time, g gate.Decision) {
	if d.Banned(g.Source, now) {
		d.refuse(now, g, event.Banned)
		return
	}
	d.mu.Lock()
	a, s := d.book.add(now, ask{code: *g.Code, source: g.Source.Unmap(), client: g.Client, bound: g.Bound, message: g.Message, door: g.Door})
	d.mu.Unlock()
	if s != nil {
		d.refuse(now, g, event.AsksFull)
		return
	}
	e := g.Event(now)
	e.Detail = "waits for an operator until " + a.until.Format(time.TimeOnly) + ", as " + a.id
	d.Put(e)
}

func (d *Desk) refuse(now time.Time, g gate.Decision, why event.Reason) {
	g.Kind, g.Reason = event.KindRefusal, why
	d.Decided(now, g)
}

// Withdraw ends what a message has asked for: it has come from a second address, and
// nobody knows which was the client's.
func (d *Desk) Withdraw(client string, m event.Message) {
	d.mu.Lock()
	any := d.book.end(func(o *ask) bool { return o.client == client && client != "" && o.message == m })
	d.mu.Unlock()
	if any {
		d.Changed()
	}
}

// Ask takes the ask of someone who has nothing to show.
func (d *Desk) Ask(_ context.Context, q control.AskRequest) (control.AskAnswer, error) {
	source, now := q.Source.Unmap(), time.Now()
	note, err := d.check(source, q)
	switch {
	case err != nil:
		return control.AskAnswer{}, err
	case d.Banned(source, now):
		return control.AskAnswer{}, &control.Error{Text: fmt.Sprintf("%s is banned", source), Reason: string(event.Banned)}
	}
	d.mu.Lock()
	a, s := d.book.add(now, ask{code: askcode.Random(), source: source, door: q.Door, note: note})
	d.mu.Unlock()
	if s != nil {
		return control.AskAnswer{}, s.error()
	}
	detail := "waits for an operator until " + a.until.Format(time.TimeOnly) + ", as " + a.id
	if note != "" {
		detail += ", and writes: " + note
	}
	d.Put(event.Event{Time: now, Kind: event.KindAsked, Source: source, Door: a.door, Detail: detail})
	return control.AskAnswer{Token: a.token, Code: a.code.Show(), Until: a.until}, nil
}

func (s *shut) error() error {
	if s.reason == control.AskedAlready {
		return &control.Error{Text: "someone from this network waits already", Remedy: "until " + s.until.Format(time.TimeOnly) + " at the latest", Reason: s.reason}
	}
	return &control.Error{Text: "too many wait already", Remedy: "try again in a few minutes", Reason: s.reason}
}

// check checks what a stranger has written.
func (d *Desk) check(source netip.Addr, q control.AskRequest) (note string, err error) {
	if !source.IsValid() || source.IsUnspecified() || source.IsMulticast() || source.IsLoopback() || source.IsLinkLocalUnicast() || source.Zone() != "" || d.Own(source) {
		return "", control.Wrong("give the address from which the connection will come; behind a proxy, trust it for that", "%q is no address of an asker", q.Source)
	}
	if cfg := d.InForce(); q.Door != "" && cfg.Door(q.Door) == nil {
		return "", control.Wrong("leave the door to the operator", "there is no such door")
	}
	note = strings.Join(strings.Fields(q.Note), " ")
	if !utf8.ValidString(note) || utf8.RuneCountInString(note) > maxNote {
		return "", control.Wrong(fmt.Sprintf("want %d characters of text at most", maxNote), "the note is too long, or no text")
	}
	return unstacked(note), nil
}

// unstacked leaves so many marks on a letter as languages need: more of them are drawn one
// over the other, up to what an operator reads in the lines above and below.
func unstacked(text string) string {
	marks := 0
	return strings.Map(func(r rune) rune {
		if marks++; !unicode.In(r, unicode.Mn, unicode.Me) {
			marks = 0
		}
		if marks > maxMarks {
			return -1
		}
		return r
	}, text)
}

// Asked says what became of an ask.
func (d *Desk) Asked(_ context.Context, q control.AskedRequest) (control.AskedAnswer, error) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current(now)
	o := d.book.of(q.Token)
	switch {
	case o == nil:
		return control.AskedAnswer{State: control.AskOver}, nil
	case o.state == control.AskAllowed:
		return control.AskedAnswer{State: o.state, Door: o.opened, Until: o.ends}, nil
	case o.state == control.AskWaiting:
		return control.AskedAnswer{State: o.state, Until: o.until}, nil
	}
	return control.AskedAnswer{State: o.state}, nil
}

// Asks returns who waits, and what is known of them.
func (d *Desk) Asks(ctx context.Context) (control.AsksAnswer, error) {
	now := time.Now()
	d.learn(ctx, now)
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.current(now)
	slices.SortFunc(list, byTime)
	a := control.AsksAnswer{Asks: []control.Ask{}}
	for _, o := range list {
		family := "ipv6"
		if o.source.Is4() {
			family = "ipv4"
		}
		a.Asks = append(a.Asks, control.Ask{ID: o.id, Source: o.source, Family: family, At: o.at, Until: o.until, Client: o.client, Bound: o.bound,
			Door: o.door, Note: o.note, Tries: tries - o.tries, Lookup: o.known})
	}
	return a, nil
}

// current returns who waits, without clients that have been taken out or have expired
// meanwhile.
func (d *Desk) current(now time.Time) []*ask {
	over := d.book.sweep(now)
	cfg := d.InForce()
	gone := d.book.end(func(o *ask) bool {
		return o.client != "" && !slices.ContainsFunc(cfg.Clients, func(c config.Client) bool {
			return c.Name == o.client && (c.Expires.IsZero() || now.Before(c.Expires))
		})
	})
	if over || gone {
		d.Changed()
	}
	return d.book.waiting()
}

// learn looks up the addresses of those who wait: so many at a time, and not again at
// once.
func (d *Desk) learn(ctx context.Context, now time.Time) {
	d.mu.Lock()
	var due []*ask
	for _, o := range d.current(now) {
		if now.Sub(o.looked).Abs() >= knownFor && len(due) < lookups {
			due, o.looked = append(due, o), now
		}
	}
	d.mu.Unlock()
	for _, o := range due {
		known, err := d.Known(ctx, network(o.source))
		if err != nil {
			continue // it is left out
		}
		known.Banned = d.Banned(o.source, now)
		d.mu.Lock()
		o.known = &known
		d.mu.Unlock()
	}
}

// Approve lets in who has a code, as an operator's order.
func (d *Desk) Approve(ctx context.Context, q control.ApproveRequest) (control.ApproveAnswer, error) {
	code, err := askcode.Parse(q.Code)
	if err != nil {
		return control.ApproveAnswer{}, control.Wrong("type it as the asker reads it out, such as BCD FGH", "%s", err)
	}
	now := time.Now()
	d.mu.Lock()
	d.current(now)
	o, wrong := d.book.take(now, code, strings.ToLower(q.ID))
	d.mu.Unlock()
	if wrong != nil {
		return control.ApproveAnswer{}, d.wrong(now, control.Asker(ctx), wrong)
	}
	g, err := d.open(ctx, o, q)
	d.mu.Lock()
	defer d.mu.Unlock()
	o.settle(g.Door, g.Until)
	if err != nil {
		return control.ApproveAnswer{}, err
	}
	d.Put(event.Event{Time: now, Kind: event.KindAllowed, Reason: event.ByOperator, Source: o.source, Client: o.client, Door: g.Door,
		Detail: fmt.Sprintf("for %s, allowed by %s, asked as %s", phrase.Duration(g.Until.Sub(now).Round(time.Second)), control.Asker(ctx), o.id)})
	return control.ApproveAnswer{ID: o.id, Client: o.client, Source: o.source, Door: g.Door, Until: g.Until}, nil
}

func (d *Desk) open(ctx context.Context, o *ask, q control.ApproveRequest) (event.Grant, error) {
	door := q.Door
	if door == "" {
		door = o.door
	}
	if cfg := d.InForce(); door == "" {
		if len(cfg.Doors) != 1 {
			return event.Grant{}, control.Wrong("name the door", "which door is to be opened is not said")
		}
		door = cfg.Doors[0].Name
	}
	who := "anyone"
	if o.client != "" {
		who = o.client
	}
	return d.Open(ctx, control.OpenRequest{Door: door, Source: o.source, For: q.For}, "asked for by "+who+" as "+o.id)
}

// wrong reports a code that fits nothing. That an ask has ended by it is on record.
func (d *Desk) wrong(now time.Time, who string, w *wrongCode) error {
	switch {
	case w.twice:
		return &control.Error{Text: "more than one ask has this code", Remedy: "name the one that is meant, by its id; sallyport asks lists them"}
	case w.all:
		return &control.Error{Denied: true, Text: "too many wrong codes: no code is taken for some minutes", Remedy: "sallyport open opens a door without a code"}
	case w.ended != nil:
		d.Put(event.Event{Time: now, Kind: event.KindDeclined, Reason: event.ByOperator, Source: w.ended.source, Client: w.ended.client, Door: w.ended.door,
			Detail: fmt.Sprintf("%d wrong codes, the last by %s, asked as %s", tries, who, w.ended.id)})
		return &control.Error{Denied: true, Text: "nobody who waits has this code, and this ask is over: too many wrong codes", Remedy: "have the person ask again"}
	}
	return &control.Error{Denied: true, Text: "nobody who waits has this code; wrong codes that are left: " + strconv.Itoa(w.left), Remedy: "an ask is over after ten minutes, and a newer one of the same client has another code"}
}

// Refuse ends an ask.
func (d *Desk) Refuse(ctx context.Context, q control.RefuseRequest) (control.RefuseAnswer, error) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current(now)
	list := d.book.find(strings.ToLower(q.ID))
	switch {
	case len(list) == 0:
		return control.RefuseAnswer{}, control.Wrong("sallyport asks lists who waits", "nobody waits as %q", q.ID)
	case len(list) > 1:
		return control.RefuseAnswer{}, control.Wrong("give more of it", "more than one id begins with %q", q.ID)
	case list[0].taken:
		return control.RefuseAnswer{}, &control.Error{Text: "another operator is letting them in just now", Remedy: "sallyport revoke ends the grant"}
	}
	o := list[0]
	o.state = control.AskDeclined
	d.Put(event.Event{Time: now, Kind: event.KindDeclined, Reason: event.ByOperator, Source: o.source, Client: o.client, Door: o.door,
		Detail: fmt.Sprintf("refused by %s, asked as %s", control.Asker(ctx), o.id)})
	return control.RefuseAnswer{ID: o.id, Client: o.client, Source: o.source}, nil
}
