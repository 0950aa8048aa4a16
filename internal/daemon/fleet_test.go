//go:build linux

package daemon

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/certs"
	"sallyport/internal/fleet/kept"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
	"sallyport/internal/fleet/store/storetest"
	"sallyport/internal/gate"
)

// gates are a fleet that shares a store.
type gates struct {
	*rolltest.Fleet
	t     *testing.T
	store *storetest.Double
	gates map[string]*house
}

func newFleet(t *testing.T, names ...string) *gates {
	f := &gates{Fleet: rolltest.New(t), t: t, store: storetest.New(), gates: make(map[string]*house)}
	f.publish()
	for _, name := range names {
		h := newHouse(t)
		h.system.fleet = func(config.Fleet) (store.Store, []certs.Cert, error) { return f.store, nil, nil }
		state := filepath.Join(h.dir, "state")
		if err := os.Mkdir(state, 0o700); err != nil {
			t.Fatal(err)
		}
		folder := kept.Of(state)
		g, _, _ := rolltest.Gate(t, name)
		private, err := folder.MakeKey()
		if err == nil {
			g.Key = private.Public().(ed25519.PublicKey)
			err = folder.SetPin(f.State.Head) // as an invitation does
		}
		if err != nil {
			t.Fatal(err)
		}
		f.add(roll.GateAdd{Gate: g})
		f.gates[name] = h
		f.configure(name, doorSSH+doorWeb)
	}
	return f
}

func (f *gates) configure(name, text string) {
	f.gates[name].configure("[gate]\nname = \"" + name + "\"\n[fleet]\nendpoints = [\"127.0.0.1:2379\"]\n" + spaOn + text)
}

// publish puts into the store what of the roll is not there yet.
func (f *gates) publish() {
	f.t.Helper()
	for _, e := range f.Entries {
		if _, err := f.store.Commit(context.Background(), []store.If{{Key: archive.Key(e.Number)}}, []store.Write{{Key: archive.Key(e.Number), Value: e.Marshal()}}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// add has an operator add an entry.
func (f *gates) add(changes ...roll.Change) {
	f.t.Helper()
	f.Append(changes...)
	f.publish()
}

func (f *gates) start() {
	for _, h := range f.gates {
		h.start()
	}
}

// client reports whether a gate has a client in force.
func (h *house) client(name string) bool {
	return slices.ContainsFunc(h.daemon.config.Load().Clients, func(c config.Client) bool { return c.Name == name })
}

// gets has a gate decide that a client gets in, and reports whether it does.
func (h *house) gets(client, door string) bool {
	h.t.Helper()
	source := netip.MustParseAddr("192.0.2.77")
	before, has := h.refusals(), false
	h.daemon.actor.Decided(time.Now(), gate.Decision{Kind: event.KindGrant, Reason: event.BySPA, Source: source, Client: client, Authenticated: true,
		Grants: []event.Grant{{Door: door, Source: source, Client: client, Until: time.Now().Add(20 * time.Second), Proof: h.proof(client)}}})
	h.eventually("the decision is carried out", func() bool {
		has = h.open(door)
		return has || h.refusals() > before
	})
	return has
}

// proof is what the gate says that a grant to a client was given for: see gate.keyProof.
func (h *house) proof(name string) event.Proof {
	for _, c := range h.daemon.config.Load().Clients {
		if c.Name == name && c.Key != nil {
			sum := sha256.Sum256(append([]byte("sallyport proof v1 key\x00"), c.Key.Marshal()...))
			return event.Proof(sum[:8])
		}
	}
	return event.Proof{}
}

func (h *house) refusals() (n uint64) {
	for _, m := range h.daemon.events.Refused() {
		n += m
	}
	return n
}

func (h *house) open(door string) bool {
	h.kernel.mu.Lock()
	defer h.kernel.mu.Unlock()
	_, has := h.kernel.grants[door+" 192.0.2.77"]
	return has
}

// Enrolled once, a client is known at all gates; revoked at one, it is out at all.
func TestFleet(t *testing.T) {
	f := newFleet(t, "tokyo", "osaka", "kyoto")
	f.start()
	f.add(roll.ClientAdd{Client: rolltest.Client(t, "alice")})
	for name, h := range f.gates {
		h.eventually("alice is known at "+name, func() bool { return h.client("alice") })
		if !h.gets("alice", "ssh") {
			t.Errorf("alice does not get in at %s", name)
		}
	}
	a, err := f.gates["osaka"].daemon.Revoke(asRoot(t), control.RevokeRequest{Client: "alice", Fleet: true})
	if err != nil || a.Waiting || len(a.Grants) != 1 {
		t.Fatalf("%+v %v", a, err)
	}
	if h := f.gates["osaka"]; h.open("ssh") || h.client("alice") {
		t.Error("alice is not out where she was revoked, when the order returns")
	}
	for name, h := range f.gates {
		h.eventually("alice is out at "+name, func() bool { return !h.open("ssh") && !h.client("alice") })
	}
	if s, err := f.gates["kyoto"].daemon.Status(t.Context()); err != nil || s.Fleet == nil || s.Fleet.Revoked != 1 || s.Fleet.Gates != 3 || s.Fleet.Entry != f.State.Head.Number {
		t.Errorf("%+v %v", s.Fleet, err)
	}
	for _, q := range []control.RevokeRequest{{Client: "nobody", Fleet: true}, {Client: "alice", Door: "ssh", Fleet: true}, {All: true, Fleet: true}} {
		if _, err := f.gates["osaka"].daemon.Revoke(asRoot(t), q); err == nil {
			t.Errorf("%+v is done", q)
		}
	}
	f.add(roll.Unrevoke{Name: "alice"})
	for name, h := range f.gates {
		h.eventually("an operator has let alice in again at "+name, func() bool { return h.client("alice") })
	}
	f.add(roll.ClientRemove{Name: "alice"})
	for name, h := range f.gates {
		h.eventually("alice is removed at "+name, func() bool { return !h.client("alice") })
	}
}

// A decision that was made before a revocation, and is carried out after it, gives
// nothing.
func TestNobodyGetsInAfterARevocation(t *testing.T) {
	f := newFleet(t, "tokyo")
	f.add(roll.ClientAdd{Client: rolltest.Client(t, "alice")})
	f.start()
	h := f.gates["tokyo"]
	h.eventually("alice is known", func() bool { return h.client("alice") })
	d := h.daemon
	d.trial.Changing.Lock() // so that the layer stays as it is
	done := make(chan error, 1)
	go func() { done <- d.fleet.Revoke(context.Background(), "alice", "root") }()
	h.eventually("the ruling", func() bool {
		release, why, _ := d.fleet.Admit(event.Grant{Client: "alice", Door: "ssh"})
		release()
		return why == event.Revoked
	})
	if !h.client("alice") || h.gets("alice", "ssh") {
		t.Error("alice gets in")
	}
	d.trial.Changing.Unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What a gate knew holds after a restart without etcd: who could knock still can, and who
// was revoked cannot.
func TestFleetWithoutEtcd(t *testing.T) {
	f := newFleet(t, "tokyo")
	f.add(roll.ClientAdd{Client: rolltest.Client(t, "alice")}, roll.ClientAdd{Client: rolltest.Client(t, "bob")})
	f.start()
	h := f.gates["tokyo"]
	h.eventually("both are known", func() bool { return h.client("alice") && h.client("bob") })
	f.store.Fail(store.ErrUnreachable)
	if err := h.daemon.fleet.Revoke(t.Context(), "alice", "root"); err != nil {
		t.Fatal(err)
	}
	if n := h.daemon.fleet.Waiting(); n != 1 || !strings.Contains(h.daemon.problems.Get("fleet queue"), "1 revocation") {
		t.Errorf("%d revocations wait: %q", n, h.daemon.problems.Get("fleet queue"))
	}
	h.eventually("it is on the disk", func() bool { return h.daemon.problems.Get("fleet etcd") != "" })
	h.end()
	h.start()
	if h.client("alice") || !h.client("bob") || !h.gets("bob", "ssh") {
		t.Errorf("after a restart: alice %v, bob %v", h.client("alice"), h.client("bob"))
	}
	f.store.Fail(nil)
	h.eventually("etcd has taken the revocation", func() bool { return h.daemon.fleet.Waiting() == 0 })
	if page, err := f.store.Read(t.Context(), store.Query{Prefix: "gate/tokyo/revoked/"}); err != nil || len(page.Records) != 1 {
		t.Errorf("%+v %v", page, err)
	}
}

// An emptied or rolled back store takes nothing from what is known, and gives nothing new.
func TestFleetOfAnOldStore(t *testing.T) {
	f := newFleet(t, "tokyo")
	f.add(roll.ClientAdd{Client: rolltest.Client(t, "alice")}, roll.ClientAdd{Client: rolltest.Client(t, "bob")})
	old := f.store.Snapshot()
	f.add(roll.ClientRemove{Name: "alice"})
	f.start()
	h := f.gates["tokyo"]
	h.eventually("bob is known", func() bool { return h.client("bob") })
	f.store.Restore(old)
	h.eventually("the old store is seen through", func() bool { return strings.Contains(h.daemon.problems.Get("fleet"), "does not show the roll") })
	if h.client("alice") || !h.client("bob") {
		t.Errorf("alice %v, bob %v", h.client("alice"), h.client("bob"))
	}
	if h.gets("bob", "ssh") {
		t.Error("something new is given")
	}
	f.publish() // an operator puts the roll back
	h.eventually("all is well", func() bool { return h.daemon.problems.Get("fleet") == "" && h.gets("bob", "ssh") })
	f.store.Wipe()
	f.store.Fail(errors.New("the servers are started again"))
	h.eventually("the break is noticed", func() bool { return h.daemon.problems.Get("fleet etcd") != "" })
	f.store.Fail(nil)
	h.eventually("the empty store is seen through", func() bool { return h.daemon.problems.Get("fleet") != "" })
	if !h.client("bob") {
		t.Error("bob is gone with the store")
	}
}

// A revocation that a put-back store has lost is written again by the gate that made it,
// for those who had not heard of it.
func TestRevocationOutlivesAPutBackStore(t *testing.T) {
	f := newFleet(t, "tokyo", "osaka")
	f.add(roll.ClientAdd{Client: rolltest.Client(t, "alice")})
	old := f.store.Snapshot()
	tokyo := f.gates["tokyo"]
	tokyo.start()
	tokyo.eventually("alice is known", func() bool { return tokyo.client("alice") })
	if err := tokyo.daemon.fleet.Revoke(t.Context(), "alice", "root"); err != nil {
		t.Fatal(err)
	}
	there := func() bool {
		page, err := f.store.Read(t.Context(), store.Query{Prefix: record.RevokedKey("tokyo", "alice")})
		return err == nil && len(page.Records) == 1
	}
	tokyo.eventually("etcd has it", there)
	f.store.Restore(old)
	tokyo.eventually("etcd has it again", there)
	osaka := f.gates["osaka"]
	osaka.start()
	osaka.eventually("osaka has read it", func() bool { s := osaka.daemon.fleet.Status(); return s != nil && s.Revoked == 1 })
	if osaka.client("alice") {
		t.Error("alice is back")
	}
}

// Who deletes the roll deletes nothing that is known, and keeps no gate in the belief that
// all is well.
func TestDeletedRoll(t *testing.T) {
	f := newFleet(t, "tokyo")
	f.add(roll.ClientAdd{Client: rolltest.Client(t, "bob")})
	f.start()
	h := f.gates["tokyo"]
	h.eventually("bob is known", func() bool { return h.client("bob") })
	for _, e := range f.Entries {
		if _, err := f.store.Commit(t.Context(), nil, []store.Write{{Key: archive.Key(e.Number), Delete: true}}); err != nil {
			t.Fatal(err)
		}
	}
	h.eventually("it is seen through", func() bool { return strings.Contains(h.daemon.problems.Get("fleet"), "does not show the roll") })
	if !h.client("bob") || h.gets("bob", "ssh") {
		t.Error("bob is gone, or gets something new")
	}
}

// Who stands in the gate's own configuration is untouched by the fleet.
func TestFleetAndOwnClients(t *testing.T) {
	f := newFleet(t, "tokyo")
	f.configure("tokyo", doorSSH+client("carol"))
	f.add(roll.ClientAdd{Client: rolltest.Client(t, "carol")}, roll.ClientAdd{Client: rolltest.Client(t, "dave")}, roll.Revoke{Name: "carol"})
	f.start()
	h := f.gates["tokyo"]
	h.eventually("dave is known", func() bool { return h.client("dave") })
	f.add(roll.Unrevoke{Name: "carol"})
	h.eventually("the fleet's carol is set aside", func() bool { return strings.Contains(h.daemon.problems.Get("fleet aside"), "carol") })
	f.store.Fail(store.ErrUnreachable)
	if !h.client("carol") || !h.gets("carol", "ssh") {
		t.Error("the gate's own carol is out")
	}
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil || !h.client("dave") {
		t.Errorf("a reload loses the layer: %v", err)
	}
}

// A gate that gets another key keeps what it knows, and what it has revoked counts for
// gates that know no other key of it.
func TestFleetWithAnotherKey(t *testing.T) {
	f := newFleet(t, "tokyo", "nara")
	f.add(roll.ClientAdd{Client: rolltest.Client(t, "alice")}, roll.ClientAdd{Client: rolltest.Client(t, "bob")})
	h := f.gates["tokyo"]
	h.start()
	h.eventually("both are known", func() bool { return h.client("alice") && h.client("bob") })
	if err := h.daemon.fleet.Revoke(t.Context(), "alice", "root"); err != nil {
		t.Fatal(err)
	}
	folder := kept.Of(h.dir + "/state")
	next, err := folder.NextKey()
	if err != nil {
		t.Fatal(err)
	}
	g := f.State.Gates["tokyo"]
	g.Key = next.Public().(ed25519.PublicKey)
	f.add(roll.GateReplace{Gate: g})
	h.eventually("the gate knows that it has the wrong key", func() bool { return strings.Contains(h.daemon.problems.Get("fleet self"), "another key") })
	if err := folder.TakeNextKey(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
		t.Fatal(err)
	}
	h.eventually("all is well", func() bool { return h.daemon.problems.Get("fleet self") == "" && h.daemon.fleet.Waiting() == 0 })
	nara := f.gates["nara"]
	nara.start()
	nara.eventually("bob is known", func() bool { return nara.client("bob") })
	if nara.client("alice") {
		t.Error("alice is back, for gates that do not know the old key")
	}
	h.end()
	f.store.Fail(store.ErrUnreachable)
	h.start()
	if h.client("alice") || !h.client("bob") {
		t.Errorf("after a restart: alice %v, bob %v", h.client("alice"), h.client("bob"))
	}
}
