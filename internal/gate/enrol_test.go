package gate

import (
	"crypto/ed25519"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/enrolled"
	"sallyport/internal/event"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// inviting is a gate with one open invite, and the device that has it.
type inviting struct {
	*spaGate
	invite, device signer
	record         enrolled.Record
}

func newInviting(t *testing.T, change func(*enrolled.Record)) *inviting {
	t.Helper()
	i := &inviting{spaGate: newSPAGate(t, nil), invite: newSigner(t), device: newSigner(t)}
	i.record = enrolled.Record{Name: "phone", Doors: []string{"ssh"}, Key: rawKey(i.invite.PublicKey()), Made: start, Until: start.Add(time.Hour)}
	if change != nil {
		change(&i.record)
	}
	i.know(i.record)
	return i
}

func (i *inviting) know(list ...enrolled.Record) {
	over, _ := enrolled.Over(i.cfg, list)
	i.Invites(over, list, start)
}

func rawKey(k ssh.PublicKey) []byte {
	return k.(ssh.CryptoPublicKey).CryptoPublicKey().(ed25519.PublicKey)
}

// sealed is an enrolling message for a device, made at a time.
func (i *inviting) sealed(at time.Time, device signer) []byte {
	i.t.Helper()
	h := spa.Header{Op: spa.Enrol, Ack: true, Client: i.invite.id(), Time: at}
	s, err := spa.Seal(i.server, h, netip.Addr{}, spa.Enrolling{Invite: i.invite, Kind: spa.KindEd25519, Key: rawKey(device.PublicKey())})
	if err != nil {
		i.t.Fatal(err)
	}
	return s.Datagram
}

func (i *inviting) enrol(at time.Time, device signer) Decision {
	i.t.Helper()
	return i.deliver(at, client, i.sealed(at, device))
}

func TestInviteIsUsedOnceAndByOneKey(t *testing.T) {
	i := newInviting(t, nil)
	if d := i.deliver(start, client, i.seal(i.device, netip.Addr{}, nil)); d.Reason != event.UnknownClient {
		t.Fatalf("a device that nobody knows: %+v", d)
	}
	d := i.enrol(start, i.device)
	if d.Kind != event.KindEnrolment || d.Client != "phone" || !d.Authenticated || d.Record.Message == nil || d.Reply == nil || d.Enrolment == nil {
		t.Fatalf("the first use: %+v", d)
	}
	if d.Enrolment.Use.Secret != "" {
		t.Error("a secret came that the invite does not give")
	}
	if d := i.enrol(start.Add(500*time.Millisecond), i.device); d.Reason != event.OverBudget || d.Reply != nil {
		t.Errorf("again within a second: %+v", d)
	}
	// Neither the record nor a list that knows nothing of the use yet opens it again.
	i.know(i.record)
	if d := i.enrol(start.Add(2*time.Second), newSigner(t)); d.Kind != event.KindRefusal || d.Reason != event.InviteUsed || d.Reply != nil || !d.Authenticated {
		t.Errorf("another key: %+v", d)
	}
	if d := i.enrol(start.Add(4*time.Second), i.device); d.Kind != event.KindEnrolment {
		t.Errorf("the same key again: %+v", d)
	}
	if d := i.enrol(start.Add(time.Hour), i.device); d.Reason != event.InviteEnded || d.Reply != nil {
		t.Errorf("after its hour: %+v", d)
	}
}

func TestEnrolledClientKnocksUntilItIsRemoved(t *testing.T) {
	i := newInviting(t, nil)
	used := i.record
	use := i.enrol(start, i.device).Enrolment.Use
	used.Use = &use
	i.know(used)
	d := i.deliver(start, client, i.seal(i.device, netip.Addr{}, nil))
	if d.Kind != event.KindGrant || d.Client != "phone" || len(d.Grants) != 1 || d.Grants[0].Door != "ssh" {
		t.Fatalf("the new client knocks: %+v", d)
	}
	if d := i.enrol(start.Add(2*time.Second), i.device); d.Kind != event.KindEnrolment {
		t.Errorf("its answer was lost, and it asks again: %+v", d)
	}
	used.Removed = true
	i.know(used)
	if d := i.deliver(start, client, i.seal(i.device, netip.Addr{}, nil)); d.Reason != event.UnknownClient {
		t.Errorf("a removed client knocks: %+v", d)
	}
	for name, device := range map[string]signer{"the same key": i.device, "another": newSigner(t)} {
		if d := i.enrol(start.Add(4*time.Second), device); d.Reason != event.InviteUsed {
			t.Errorf("%s after the client was removed: %+v", name, d)
		}
	}
}

func TestInviteRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		record func(*enrolled.Record)
		config func(*config.Config)
		device func(*inviting) signer
		from   netip.Addr
		want   event.Reason
	}{
		"the name is taken since":      {config: func(c *config.Config) { c.Clients[0].Name = "phone" }, want: event.Collision},
		"the key is another client's":  {device: func(i *inviting) signer { return i.alice }, want: event.Collision},
		"the key is that of an invite": {device: func(i *inviting) signer { return i.invite }, want: event.Collision},
		"the door is gone":             {record: func(r *enrolled.Record) { r.Doors = []string{"ssh", "gone"} }, want: event.Collision},
		"from elsewhere":               {record: func(r *enrolled.Record) { r.From = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} }, from: other, want: event.ForbiddenFrom},
		"unbound where that is asked":  {config: func(c *config.Config) { c.SPA.RequireBound = true }, want: event.WrongAddress},
	} {
		t.Run(name, func(t *testing.T) {
			i := newInviting(t, c.record)
			if c.config != nil {
				cfg := *i.cfg
				cfg.Clients = slices.Clone(cfg.Clients)
				c.config(&cfg)
				i.Reconfigure(&cfg, i.spa, start)
				i.cfg = &cfg
				i.know(i.record)
			}
			device, from := i.device, client
			if c.device != nil {
				device = c.device(i)
			}
			if c.from.IsValid() {
				from = c.from
			}
			d := i.deliver(start, from, i.sealed(start, device))
			if d.Reason != c.want || c.want != "" && (d.Kind != event.KindRefusal || d.Reply != nil || d.Enrolment != nil) {
				t.Errorf("%+v", d)
			}
		})
	}
}

// Anyone who has the server's private key, or the link without its seed, enrols nobody.
func TestEnrolmentNeedsTheInvite(t *testing.T) {
	i := newInviting(t, nil)
	forged := newSigner(t)
	h := spa.Header{Op: spa.Enrol, Ack: true, Client: i.invite.id(), Time: start}
	s, err := spa.Seal(i.server, h, netip.Addr{}, spa.Enrolling{Invite: forged, Kind: spa.KindEd25519, Key: rawKey(i.device.PublicKey())})
	if err != nil {
		t.Fatal(err)
	}
	if d := i.deliver(start, client, s.Datagram); d.Reason != event.BadProof || d.Authenticated {
		t.Errorf("%+v", d)
	}
	// The proof covers the new key: with another one it is worth nothing.
	swapped := swapping{i.invite, newSigner(t)}
	s, err = spa.Seal(i.server, h, netip.Addr{}, spa.Enrolling{Invite: swapped, Kind: spa.KindEd25519, Key: rawKey(i.device.PublicKey())})
	if err != nil {
		t.Fatal(err)
	}
	if d := i.deliver(start, client, s.Datagram); d.Reason != event.BadProof {
		t.Errorf("a key that was exchanged on the way: %+v", d)
	}
	if d := i.enrol(start, i.device); d.Kind != event.KindEnrolment {
		t.Errorf("afterwards the invite is still good: %+v", d)
	}
}

// swapping signs for another key than the one that is sent.
type swapping struct{ invite, other signer }

func (s swapping) ProofSize() int { return s.invite.ProofSize() }
func (s swapping) Prove(message []byte) ([]byte, error) {
	copy(message[len(message)-ed25519.PublicKeySize:], rawKey(s.other.PublicKey()))
	return sshauth.Sign(s.invite.Signer, message)
}

func TestCopyOfAnEnrolmentRemovesNobody(t *testing.T) {
	i := newInviting(t, nil)
	datagram := i.sealed(start, i.device)
	use := i.deliver(start, client, datagram).Enrolment.Use
	used := i.record
	used.Use = &use
	i.know(used)
	if d := i.deliver(start, other, datagram); d.Reason != event.Intercepted || d.Enrolment != nil || d.Reply != nil {
		t.Errorf("a copy from elsewhere: %+v", d)
	}
	if d := i.deliver(start, client, i.seal(i.device, netip.Addr{}, nil)); d.Kind != event.KindGrant {
		t.Errorf("the client afterwards: %+v", d)
	}
}

func TestRotatingSecretOfAnEnrolment(t *testing.T) {
	i := newInviting(t, func(r *enrolled.Record) { r.Rotating = true })
	first, second := i.enrol(start, i.device), i.enrol(start.Add(4*time.Second), i.device)
	if len(first.Enrolment.Use.Secret) != 32 || first.Enrolment.Use.Secret == second.Enrolment.Use.Secret {
		t.Errorf("%+v, %+v", first.Enrolment, second.Enrolment)
	}
}

// A flood of messages that only anyone who has the link's public half can make is bounded
// by the budget for opening messages, and never gets an answer.
func TestFloodOfForgedEnrolments(t *testing.T) {
	i := newInviting(t, nil)
	h := spa.Header{Op: spa.Enrol, Ack: true, Client: i.invite.id(), Time: start}
	forged, opened := newSigner(t), 0
	for range 3 * OpensPerSecond {
		s, err := spa.Seal(i.server, h, netip.Addr{}, spa.Enrolling{Invite: forged, Kind: spa.KindEd25519, Key: rawKey(i.device.PublicKey())})
		if err != nil {
			t.Fatal(err)
		}
		switch d := i.deliver(start, other, s.Datagram); {
		case d.Reply != nil || d.Enrolment != nil:
			t.Fatalf("%+v", d)
		case d.Reason == event.BadProof:
			opened++
		case d.Reason != event.OverBudget:
			t.Fatalf("%+v", d)
		}
	}
	if opened > OpensPerSecond {
		t.Errorf("%d were opened within a second", opened)
	}
	if d := i.enrol(start.Add(2*time.Second), i.device); d.Kind != event.KindEnrolment {
		t.Errorf("afterwards the invite is still good: %+v", d)
	}
}
