//go:build linux

package daemon

import (
	"crypto/ed25519"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/event"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
	"sallyport/internal/gate"
	"sallyport/internal/key"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

const sharedSSH = "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nopen_for = \"20s\"\nshared = \"edge\"\n"

// sharing is a fleet whose gates open a door together, and a client of it.
type sharing struct {
	*gates
	alice ssh.Signer
}

func newSharing(t *testing.T) *sharing {
	s := &sharing{newFleet(t, "tokyo", "osaka", "nara"), rolltest.Software(t)}
	for _, name := range []string{"tokyo", "osaka"} {
		s.configure(name, sharedSSH)
	}
	s.configure("nara", sharedSSH)
	s.start()
	for _, name := range []string{"tokyo", "osaka", "nara"} {
		g := s.State.Gates[name]
		if g.Server = nil; name != "nara" { // which opens its doors alone
			g.Groups = []string{"edge"}
		}
		for _, h := range s.gates.gates[name].daemon.keys.All() {
			g.Server = append(g.Server, h.Current.Public())
		}
		s.add(roll.GateReplace{Gate: g})
	}
	c := rolltest.Client(t, "alice")
	c.Key = roll.KeyText(s.alice.PublicKey())
	s.add(roll.ClientAdd{Client: c})
	for name, h := range s.gates.gates {
		h.eventually("alice is known at "+name, func() bool { return h.client("alice") })
	}
	return s
}

type prover struct{ ssh.Signer }

func (prover) ProofSize() int                         { return ed25519.SignatureSize }
func (p prover) Prove(message []byte) ([]byte, error) { return sshauth.Sign(p.Signer, message) }

// knocks has a client knock at a gate, and the gate decide that it gets in. It returns
// what the decision carries.
func (s *sharing) knocks(h *house, signer ssh.Signer, bound bool, at time.Time) []byte {
	s.t.Helper()
	source := netip.MustParseAddr("192.0.2.77")
	to := netip.Addr{}
	if bound {
		to = source
	}
	sealed, err := spa.Seal(h.daemon.keys.Current().Public(), spa.Header{Op: spa.Open, Client: sshauth.ID(s.alice.PublicKey()), Door: spa.DoorID("ssh"), Time: at}, to, prover{signer})
	if err != nil {
		s.t.Fatal(err)
	}
	tagged, reason := spa.NewOpener(h.daemon.keys, time.Hour).Check(at, sealed.Datagram)
	if reason != "" {
		s.t.Fatal(reason)
	}
	m, reason := tagged.Open()
	if reason != "" {
		s.t.Fatal(reason)
	}
	h.daemon.actor.Decided(time.Now(), gate.Decision{Kind: event.KindGrant, Reason: event.BySPA, Source: source, Client: "alice", Authenticated: true, Bound: bound, Carried: m.Carry(),
		Grants: []event.Grant{{Door: "ssh", Source: source, Client: "alice", Until: time.Now().Add(20 * time.Second), Proof: h.proof("alice")}}})
	return m.Carry()
}

// Knocked at one gate, a door opens at all of its group; a revocation ends it at all.
func TestSharedDoor(t *testing.T) {
	s := newSharing(t)
	tokyo, osaka, nara := s.gates.gates["tokyo"], s.gates.gates["osaka"], s.gates.gates["nara"]
	if osaka.open("ssh") {
		t.Fatal("open before")
	}
	s.knocks(tokyo, s.alice, true, time.Now())
	osaka.eventually("the door is open at the other gate", func() bool { return osaka.open("ssh") })
	osaka.kernel.mu.Lock()
	g := osaka.kernel.grants["ssh 192.0.2.77"]
	osaka.kernel.mu.Unlock()
	if left := time.Until(g.Until); g.Client != "alice" || left > 20*time.Second || left < 0 {
		t.Errorf("%+v", g)
	}
	if nara.open("ssh") {
		t.Error("it is open at a gate that is none of the group")
	}
	if err := tokyo.daemon.fleet.Revoke(t.Context(), "alice", "root"); err != nil {
		t.Fatal(err)
	}
	osaka.eventually("it ends everywhere", func() bool { return !osaka.open("ssh") && !tokyo.open("ssh") })
}

// What another gate says that it has given is judged here: the client's signature, the
// time, the address, and the client that this gate knows.
func TestSharedDoorIsJudgedHere(t *testing.T) {
	s := newSharing(t)
	tokyo, osaka := s.gates.gates["tokyo"], s.gates.gates["osaka"]
	s.knocks(tokyo, rolltest.Software(t), true, time.Now()) // as a gate that has been taken over would
	osaka.eventually("a stranger's signature is refused", func() bool { return osaka.daemon.events.Refused()[event.BadProof] == 1 })
	s.knocks(tokyo, s.alice, false, time.Now())
	s.knocks(tokyo, s.alice, true, time.Now().Add(-10*time.Minute))
	osaka.eventually("the old one is in etcd; what names no address is not", func() bool {
		page, err := s.store.Read(t.Context(), store.Query{Prefix: "gate/tokyo/granted/"})
		return err == nil && len(page.Records) == 2
	})
	s.add(roll.ClientAdd{Client: rolltest.Client(t, "carol")}) // which is heard of after them
	osaka.eventually("carol is known", func() bool { return osaka.client("carol") })
	if osaka.open("ssh") {
		t.Error("it is open at the other gate")
	}
}

// What one gate makes of the word of another: each way of not being right has a line.
func TestSharedWord(t *testing.T) {
	s := newSharing(t)
	tokyo, osaka := s.gates.gates["tokyo"], s.gates.gates["osaka"]
	now, source := time.Now(), netip.MustParseAddr("192.0.2.77")
	server := []key.Public{tokyo.daemon.keys.Current().Public()}
	word := func(bound bool, at time.Time) gate.Decision {
		return gate.Decision{Client: "alice", Door: "ssh", Source: source, Grants: []event.Grant{{Until: now.Add(10 * time.Second)}}, Carried: s.knocks(tokyo, s.alice, bound, at)}
	}
	cfg := osaka.daemon.config.Load()
	if d := word(true, now).Here(cfg, server, now); d.Kind != event.KindGrant || len(d.Grants) != 1 || !d.Grants[0].Until.Equal(now.Add(10*time.Second)) || d.Grants[0].Client != "alice" || d.Grants[0].Single {
		t.Errorf("%+v", d)
	}
	for name, c := range map[string]struct {
		change func(*gate.Decision)
		bound  bool
		at     time.Time
		want   event.Reason
	}{
		"another source": {func(d *gate.Decision) { d.Source = netip.MustParseAddr("192.0.2.78") }, true, now, event.BadProof},
		"another client": {func(d *gate.Decision) { d.Client = "bob" }, true, now, event.UnknownClient},
		"another door":   {func(d *gate.Decision) { d.Door = "web" }, true, now, event.UnknownDoor},
		"no message":     {func(d *gate.Decision) { d.Carried = nil }, true, now, event.BadHeader},
		"no address":     {func(*gate.Decision) {}, false, now, event.WrongAddress},
		"an old message": {func(*gate.Decision) {}, true, now.Add(-10 * time.Minute), event.StaleTime},
		"it has ended":   {func(d *gate.Decision) { d.Grants[0].Until = now }, true, now, event.OutOfHours},
	} {
		d := word(c.bound, c.at)
		c.change(&d)
		if d = d.Here(cfg, server, now); d.Kind != event.KindRefusal || d.Reason != c.want {
			t.Errorf("%s: %s %q, want %q", name, d.Kind, d.Reason, c.want)
		}
	}
	for name, keys := range map[string][]key.Public{"no key": nil, "another gate's": {osaka.daemon.keys.Current().Public()}} {
		if d := word(true, now).Here(cfg, keys, now); d.Kind != event.KindRefusal {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
