//go:build linux

// Package enrol keeps invites, and the clients that have enrolled themselves with them,
// as a layer over the configuration: on the disk, in the gate, and in what the rest of
// the daemon knows. It has a goroutine of its own, because each enrolment waits for the
// disk, and no knock may wait for that.
package enrol

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/daemon/problems"
	"sallyport/internal/enrolled"
	"sallyport/internal/enrolled/kept"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/spa"
)

const (
	waiting    = 64          // enrolments; what does not fit comes again
	sweepEvery = time.Minute // for what is of no use any more
)

// Around is what enrolments reach of the daemon.
type Around struct {
	Changing sync.Locker                           // held while the configuration or the layer changes
	InForce  func() *config.Config                 // with the layer over it
	Bring    func(context.Context) error           // puts the layer into force as it is now; Changing is held
	Answer   func(to *gate.Reply, a spa.Ack) error // does not wait for the device
	Put      func(event.Event)
	Decided  func(time.Time, gate.Decision) // takes refusals
	Problems *problems.List
}

// Book is all that is known of invites and enrolled clients.
type Book struct {
	Around
	folder kept.Folder
	queue  chan order

	mu      sync.Mutex // for those who only read; changes hold Changing, too
	records map[[6]byte]enrolled.Record
	bad     []string // what could not be read
}

type order struct {
	at       time.Time
	decision gate.Decision
}

// Open reads what is kept in a state_dir. What cannot be read is a problem, and never
// stands in the way of anything.
func Open(stateDir string, around Around) *Book {
	b := &Book{Around: around, folder: kept.Of(stateDir), queue: make(chan order, waiting), records: make(map[[6]byte]enrolled.Record)}
	list, bad, err := b.folder.Read()
	if err != nil {
		bad = append(bad, err.Error())
	}
	for _, r := range list {
		b.records[r.ID()] = r
	}
	slices.Sort(bad)
	b.bad = bad
	return b
}

// List returns the records.
func (b *Book) List() []enrolled.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]enrolled.Record, 0, len(b.records))
	for _, r := range b.records {
		list = append(list, r)
	}
	return list
}

// manyLeft is how many records that are left out are named.
const manyLeft = 5

// Over returns a configuration with the layer over it.
func (b *Book) Over(cfg *config.Config) *config.Config {
	over, _ := enrolled.Over(cfg, b.List())
	return over
}

// Note notes what is left out of the layer over the configuration in force.
func (b *Book) Note(cfg *config.Config) {
	_, left := enrolled.Over(cfg, b.List())
	left = slices.Concat(b.bad, left)
	if len(left) == 0 {
		b.Problems.Clear("enrolled")
		return
	}
	text := strings.Join(left[:min(len(left), manyLeft)], "; ")
	if more := len(left) - manyLeft; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	b.Problems.Note("enrolled", text)
}

// Order has an enrolment carried out that the gate has decided. It does not wait.
func (b *Book) Order(now time.Time, d gate.Decision) {
	select {
	case b.queue <- order{now, d}:
	default:
		b.Put(event.Event{Time: now, Kind: event.KindOverload, Source: d.Source, Client: d.Client, Detail: "too many enrolments are waiting for the disk"})
	}
}

// Run carries out enrolments, and forgets what is over, until the context ends.
func (b *Book) Run(ctx context.Context) error {
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-b.queue:
			b.carryOut(ctx, o)
		case now := <-every.C:
			b.Changing.Lock()
			b.sweep(ctx, now)
			b.Changing.Unlock()
		}
	}
}

// carryOut writes down a new client together with the used invite, puts it into force,
// and only then answers. Until it has, the same device may ask again.
func (b *Book) carryOut(ctx context.Context, o order) {
	d := o.decision
	ev := event.Event{Time: o.at, Kind: event.KindEnrolment, Client: d.Client, Source: d.Source, Authenticated: d.Authenticated, Bound: d.Bound}
	b.Changing.Lock()
	defer b.Changing.Unlock()
	news, reason, err := b.use(ctx, d)
	switch {
	case err != nil:
		ev.Kind, ev.Reason, ev.Detail = event.KindFailure, event.NoRecord, err.Error()
		b.Put(ev)
		return
	case reason != "":
		d.Kind, d.Reason = event.KindRefusal, reason
		b.Decided(o.at, d)
		return
	case news:
		ev.Detail = b.newcomer(d)
		b.Put(ev)
	}
	if d.Reply != nil {
		b.answer(d)
	}
}

// use is the change itself; news says that the client is a new one.
func (b *Book) use(ctx context.Context, d gate.Decision) (news bool, reason event.Reason, err error) {
	r, there := b.get(d.Enrolment.Invite.ID())
	use := d.Enrolment.Use
	switch {
	case !there: // taken back since
		return false, event.UnknownClient, nil
	case r.Removed, r.Use != nil && !r.Use.Same(&use):
		return false, event.InviteUsed, nil
	case r.Use != nil && r.Use.Secret == use.Secret:
		return false, "", nil
	}
	news = r.Use == nil
	if r.Use != nil {
		use.At = r.Use.At
	}
	r.Use = &use
	if err := r.Validate(); err != nil {
		return false, "", fmt.Errorf("enrol client %q: %w", r.Name, err)
	}
	if enrolled.Collision(enrolled.Without(b.InForce(), r), r) != "" {
		return false, event.Collision, nil
	}
	if err := b.folder.Write(r); err != nil {
		return false, "", err
	}
	b.set(r)
	return news, "", b.Bring(ctx)
}

func (b *Book) newcomer(d gate.Decision) string {
	key := "?"
	if k, err := enrolled.ParseKey(d.Enrolment.Use.Kind, d.Enrolment.Use.Key); err == nil {
		key = k.Type() + " " + ssh.FingerprintSHA256(k)
	}
	return fmt.Sprintf("enrolled by an invite, with the key %s; it may open %s", key, strings.Join(d.Enrolment.Invite.Doors, ", "))
}

// answer says that the client is known, and what it may open.
func (b *Book) answer(d gate.Decision) {
	cfg := b.InForce()
	reply := spa.Ack{Time: time.Now(), Source: d.Source, Status: spa.Enrolled}
	for i := range cfg.Clients {
		if cfg.Clients[i].Name != d.Client {
			continue
		}
		for _, name := range cfg.Clients[i].Doors {
			if door := cfg.Door(name); door != nil {
				reply.Doors = append(reply.Doors, spa.AckDoor{ID: spa.DoorID(name), For: door.OpenFor, Single: door.Single})
			}
		}
	}
	if err := b.Answer(d.Reply, reply); err != nil {
		b.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Source: d.Source, Detail: err.Error()})
	}
}

// sweep forgets invites that have ended, and used ones that no message can use again.
func (b *Book) sweep(ctx context.Context, now time.Time) {
	window, gone := b.InForce().SPA.Window(), false
	for _, r := range b.List() {
		if r.Over(now, window) && b.folder.Remove(r) == nil { // else a minute later
			b.drop(r)
			gone = true
		}
	}
	if gone {
		_ = b.Bring(ctx) // fails at the end only
	}
}

func (b *Book) get(id [6]byte) (enrolled.Record, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.records[id]
	return r, ok
}

func (b *Book) set(r enrolled.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records[r.ID()] = r
}

func (b *Book) drop(r enrolled.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.records, r.ID())
}
