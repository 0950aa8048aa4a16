//go:build linux

// Package fleet is a gate's part in a fleet. It follows the roll and the revocations of
// other gates in etcd, has the clients of the fleet as a layer over the configuration, and
// ends what they have been given when they may not have it any more. What it knows it
// keeps on the disk, so that the gate starts while etcd is away; how long it goes on so is
// what the doors say.
package fleet

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/ban"
	"sallyport/internal/daemon/boot"
	"sallyport/internal/daemon/problems"
	"sallyport/internal/event"
	"sallyport/internal/fleet/certs"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/kept"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
	"sallyport/internal/gate"
	"sallyport/internal/key"
)

// Around is what the fleet reaches of the daemon.
type Around struct {
	Changing sync.Locker                                                    // held while the configuration or a layer over it changes
	InForce  func() *config.Config                                          // with the layers over it
	Bring    func(context.Context) error                                    // puts the layers into force as they are now; Changing is held
	End      func(why event.Reason, cut bool, match func(event.Grant) bool) // ends grants, and connections that they have let in
	Put      func(event.Event)
	Decided  func(time.Time, gate.Decision)              // takes refusals
	Give     func(time.Time, event.Grant, gate.Decision) // gives a grant, to whom nobody is known to be banned or out
	Follow   func(time.Time, ban.Elsewhere) error        // bans what another gate bans
	Unfollow func(time.Time, ban.Elsewhere) error        // ends such a ban
	Live     func(context.Context) []event.Grant         // what is open
	Problems *problems.List
	Keys     func() key.Keyring // the server keys in use; Changing is held
	Open     func(config.Fleet) (store.Store, []certs.Cert, error)
	Version  string
}

// Fleet is the gate's part in it. A nil Fleet is that of a gate that stands alone.
type Fleet struct {
	Around
	config  config.Fleet
	gate    string
	folder  kept.Folder
	pin     roll.Head
	started time.Time

	mu      sync.Mutex
	view    *follow.View        // nil: nothing is known yet
	queue   []record.Revocation // that etcd has not taken yet
	given   []heardGrant        // that other gates have given, to be judged
	unknown map[string]bool     // gates that have said something and that the roll does not know
	certs   []certs.Cert
	aside   []string // clients that are set aside
	problem string   // why this gate gives nothing new, beside what the view says
	secrets map[string]opened

	asking      chan struct{}               // a place for each decision that waits
	reached     atomic.Pointer[store.Store] // nil while there is no connection
	refuseUntil atomic.Pointer[time.Time]   // what is stamped before may have been forgotten by etcd
	leasing     sync.Mutex
	message     leased // for used messages

	disk   sync.Mutex // for what waits on the disk
	onDisk []record.Revocation

	admission sync.RWMutex // held by those who give while they do, so that none gives after a revocation
	ruling    atomic.Pointer[ruling]
	fresh     atomic.Pointer[follow.Fresh]
	key       atomic.Pointer[ed25519.PrivateKey] // nil: the gate has not joined

	bans bans

	sharing            chan record.Grant
	dirty, beat, again chan struct{} // something is to be kept, to be said, to be put
}

// Open reads what is kept. It fails never: what cannot be read is a problem, and then the
// gate is open to its own clients alone.
func Open(cfg *config.Config, around Around) *Fleet {
	if !cfg.Fleet.On() {
		return nil
	}
	f := &Fleet{
		Around: around, config: cfg.Fleet, gate: cfg.Gate.Name, folder: kept.Of(cfg.Daemon.StateDir), started: time.Now(), secrets: make(map[string]opened),
		asking: make(chan struct{}, mostAsking), sharing: make(chan record.Grant, maxSharing), dirty: make(chan struct{}, 1), beat: make(chan struct{}, 1), again: make(chan struct{}, 1),
	}
	f.bans.wake = make(chan struct{}, 1)
	f.fresh.Store(&follow.Fresh{})
	if err := f.recall(); err != nil {
		f.Problems.Fail(subject, err.Error())
	}
	f.rule(nil)
	return f
}

const (
	subject      = "fleet"       // what keeps this gate from the fleet
	subjectSelf  = "fleet self"  // the roll does not know this gate, or not so
	subjectStore = "fleet etcd"  // etcd is away, or has changed
	subjectBad   = "fleet bad"   // records that are set aside
	subjectQueue = "fleet queue" // what is still to be said to the others
	subjectCerts = "fleet certs" // certificates that end
	subjectAside = "fleet aside" // clients that are set aside
	subjectAlone = "fleet alone" // what opens nothing at gates with one address
	subjectAge   = "fleet away"  // clients of the fleet do not get in
)

// recall reads what is kept on the disk.
func (f *Fleet) recall() error {
	key, err := f.folder.Key()
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("this gate has not joined its fleet: its own clients alone get in; run: sallyport fleet join")
	} else if err != nil {
		return err
	}
	f.key.Store(&key)
	if f.pin, err = f.folder.Pin(); err != nil {
		return err
	}
	if text, err := f.folder.Open(f.signs(), kept.FreshName); err == nil {
		fresh := follow.ParseFresh(text)
		f.fresh.Store(&fresh)
	}
	return errors.Join(f.recallView(), f.recallQueue())
}

func (f *Fleet) recallView() error {
	text, err := f.folder.Open(f.signs(), kept.KnownName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var view *follow.View
	if err == nil {
		view, err = follow.Parse(text)
	}
	if err == nil && view.Gate != f.gate {
		err = fmt.Errorf("it is what gate %s knew, and this one is called %s", view.Gate, f.gate)
	}
	if err == nil && view.Roll.Head.Number < f.pin.Number {
		err = errors.New("it is older than the gate's invitation")
	}
	if err != nil {
		return fmt.Errorf("what was known of the fleet cannot be used, and is read again from etcd: %w", err)
	}
	f.view = view
	return nil
}

// now is the present, for what is kept.
func now() follow.Now { return follow.Now{Boot: boot.ID(), Since: boot.Time(), Wall: time.Now()} }

// joined reports whether the gate has a key.
func (f *Fleet) joined() bool { return f != nil && f.key.Load() != nil }

// signs returns the key with which this gate signs.
func (f *Fleet) signs() ed25519.PrivateKey { return *f.key.Load() }

// Rekey takes a key that has taken the place of the gate's. What this gate has revoked is
// signed with it once more, for gates that join later and know no other.
func (f *Fleet) Rekey() {
	if !f.joined() {
		return
	}
	key, err := f.folder.Key()
	if err != nil || key.Equal(f.signs()) {
		return // a key that cannot be read is missed at the next start
	}
	f.disk.Lock()
	f.key.Store(&key)
	f.onDisk = nil // it was sealed with the key of before
	f.disk.Unlock()
	f.mu.Lock()
	if f.view != nil {
		for _, rev := range f.view.Own() {
			_ = f.enqueue(rev) // a full queue is noted
		}
	}
	f.mu.Unlock()
	f.noteSelf()
	for _, c := range []chan struct{}{f.dirty, f.beat, f.again} {
		poke(c)
	}
}

// Over returns a configuration with the layer of the fleet over it, in place of an earlier
// one.
func (f *Fleet) Over(cfg *config.Config) (over *config.Config) {
	if f == nil {
		return cfg
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.view == nil {
		return follow.Without(cfg)
	}
	over, f.aside = f.view.Over(cfg, f.secret)
	return over
}

// Under returns a configuration without the layer, for what lies under it.
func (f *Fleet) Under(cfg *config.Config) *config.Config {
	if f == nil {
		return cfg
	}
	return follow.Without(cfg)
}

// manyAside is how many clients that are set aside are named.
const manyAside = 5

// Note takes the configuration that is in force with the layer: who is of the fleet, and
// who is set aside.
func (f *Fleet) Note(cfg *config.Config) {
	if f == nil {
		return
	}
	f.mu.Lock()
	aside := f.aside
	f.mu.Unlock()
	f.rule(cfg)
	f.noteAlone(cfg)
	if len(aside) == 0 {
		f.Problems.Clear(subjectAside)
		return
	}
	text := strings.Join(aside[:min(len(aside), manyAside)], "; ")
	if more := len(aside) - manyAside; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	f.Problems.Note(subjectAside, text)
}

// poke wakes one who waits on a channel.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
