package roll_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	. "sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
)

// refused applies an entry that must not count, and checks that nothing has changed.
func refused(t *testing.T, f *rolltest.Fleet, e *Entry, why string) {
	t.Helper()
	before := f.Marshal()
	err := f.Apply(e)
	if err == nil {
		t.Fatalf("it counts: %v", e.Changes)
	}
	if !strings.Contains(err.Error(), why) {
		t.Errorf("%v: want %q", err, why)
	}
	if !bytes.Equal(f.Marshal(), before) {
		t.Error("it has left something behind")
	}
	// What is known beside the text is undone too.
	if again, err := ParseState(before); err != nil || f.Apply(e) == nil || again.Apply(e) == nil {
		t.Errorf("the second time it is another: %v", err)
	}
}

func TestWhoMaySign(t *testing.T) {
	f := rolltest.New(t)
	bob, stranger := rolltest.NewToken(t), rolltest.NewToken(t)
	add := ClientAdd{Client: rolltest.Client(t, "carol")}

	refused(t, f, f.Next(stranger, add), "nobody who is an operator")
	refused(t, f, f.Next(bob, OperatorAdd{Operator: rolltest.Operator("bob", bob)}), "nobody who is an operator") // not even himself
	f.Append(OperatorAdd{Operator: rolltest.Operator("bob", bob)})
	if err := f.Apply(f.Next(bob, add)); err != nil {
		t.Fatal(err)
	}
	f.Append(OperatorRemove{Name: "bob"})
	refused(t, f, f.Next(bob, ClientRemove{Name: "carol"}), "nobody who is an operator")

	f.Operator.Flags = 0
	e := f.State.New(f.Operator.PublicKey(), rolltest.Moment, ClientRemove{Name: "carol"})
	if err := e.Sign(f.Operator); err == nil {
		t.Error("an entry was signed without a touch")
	}
	sig, _ := f.Operator.Sign(nil, nil)
	e.Proof = append(sig.Blob, sig.Rest...)
	refused(t, f, e, "not touched")
}

func TestASignatureIsForOneEntry(t *testing.T) {
	f, other := rolltest.New(t), rolltest.New(t)
	e := f.Next(f.Operator, ClientAdd{Client: rolltest.Client(t, "carol")})
	for what, change := range map[string]func(*Entry){
		"another change": func(e *Entry) { e.Changes = []Change{ClientAdd{Client: rolltest.Client(t, "carol")}} },
		"another time":   func(e *Entry) { e.At = e.At.Add(time.Second) },
		"no signature":   func(e *Entry) { e.Proof = nil },
		"one bit":        func(e *Entry) { e.Proof = bytes.Clone(e.Proof); e.Proof[3] ^= 1 },
	} {
		t.Run(what, func(t *testing.T) {
			c := *e
			change(&c)
			refused(t, f, &c, "signature does not count")
		})
	}
	if err := other.Apply(e); !errors.Is(err, ErrFork) {
		t.Errorf("in another fleet: %v", err)
	}
	if err := f.Apply(e); err != nil {
		t.Fatal(err)
	}
	if err := f.Apply(e); !errors.Is(err, ErrOld) {
		t.Errorf("the same again: %v", err)
	}
}

func TestForksAndGaps(t *testing.T) {
	f := rolltest.New(t)
	mine := f.Next(f.Operator, ClientAdd{Client: rolltest.Client(t, "mine")})
	theirs := f.Next(f.Operator, ClientAdd{Client: rolltest.Client(t, "theirs")})
	other := f.State.Clone()
	if err := errors.Join(f.Apply(mine), other.Apply(theirs)); err != nil {
		t.Fatal(err)
	}
	if err := f.Apply(theirs); !errors.Is(err, ErrFork) {
		t.Errorf("another entry of the same number: %v", err)
	}
	e := other.New(f.Operator.PublicKey(), rolltest.Moment, ClientRemove{Name: "theirs"})
	if err := e.Sign(f.Operator); err != nil {
		t.Fatal(err)
	}
	if err := f.Apply(e); !errors.Is(err, ErrFork) {
		t.Errorf("the next one of another history: %v", err)
	}
	late := f.Next(f.Operator, ClientRemove{Name: "mine"})
	late.Number += 3
	if err := f.Apply(late); !errors.Is(err, ErrGap) {
		t.Errorf("one too far: %v", err)
	}
}

func TestOperators(t *testing.T) {
	f := rolltest.New(t)
	soft := rolltest.Software(t)
	lying := rolltest.Operator("bob", soft)
	lying.Software = false
	refused(t, f, f.Next(f.Operator, OperatorAdd{Operator: lying}), "not said truly")
	refused(t, f, f.Next(f.Operator, OperatorRemove{Name: "alice"}), "last operator")
	refused(t, f, f.Next(f.Operator, OperatorRemove{Name: "nobody"}), "no operator")
	refused(t, f, f.Next(f.Operator, OperatorAdd{Operator: rolltest.Operator("alice", soft)}), "already")
	refused(t, f, f.Next(f.Operator, OperatorAdd{Operator: rolltest.Operator("twin", f.Operator)}), `has the key of`)
	refused(t, f, f.Next(f.Operator, OperatorAdd{Operator: rolltest.Operator("paper", f.Recovery)}), "recovery key")
	f.Append(OperatorRemove{Name: "alice"}, OperatorAdd{Operator: rolltest.Operator("bob", soft)})
	if _, ok := f.Operators["alice"]; ok || len(f.Operators) != 1 {
		t.Errorf("operators: %v", f.Operators)
	}
}

func TestRecovery(t *testing.T) {
	f := rolltest.New(t)
	public, private, _ := ed25519.GenerateKey(nil)
	signer, _ := ssh.NewSignerFromKey(private)
	for _, c := range []Change{
		ClientAdd{Client: rolltest.Client(t, "carol")}, Recovery{Key: public}, Revoke{Name: "carol"},
	} {
		refused(t, f, f.Next(f.Recovery, c), "alone")
	}
	bob := rolltest.NewToken(t)
	if err := f.Apply(f.Next(f.Recovery, OperatorAdd{Operator: rolltest.Operator("bob", bob)}, OperatorRemove{Name: "alice"})); err != nil {
		t.Fatal(err)
	}
	refused(t, f, f.Next(f.Operator, Recovery{Key: public}), "nobody who is an operator")
	if err := f.Apply(f.Next(bob, Recovery{Key: public})); err != nil {
		t.Fatal(err)
	}
	refused(t, f, f.Next(f.Recovery, OperatorRemove{Name: "bob"}), "nobody who is an operator")
	if err := f.Apply(f.Next(signer, OperatorAdd{Operator: rolltest.Operator("carol", rolltest.NewToken(t))})); err != nil {
		t.Fatal(err)
	}
}

func TestEntry0(t *testing.T) {
	f := rolltest.New(t)
	good := f.Entries[0]
	for what, change := range map[string]func(*Entry){
		"no recovery key":   func(e *Entry) { e.Changes = e.Changes[1:] },
		"no operator":       func(e *Entry) { e.Changes = e.Changes[:1] },
		"a client":          func(e *Entry) { e.Changes = append(e.Changes, ClientAdd{Client: rolltest.Client(t, "x")}) },
		"another number":    func(e *Entry) { e.Number = 1 },
		"another signature": func(e *Entry) { e.Prev[0] ^= 1 },
	} {
		t.Run(what, func(t *testing.T) {
			e := *good
			e.Changes = slices.Clone(e.Changes)
			change(&e)
			if _, err := Found(&e); err == nil {
				t.Error("a fleet was founded")
			}
		})
	}
	e := *good
	if err := e.Sign(f.Recovery); err != nil {
		t.Fatal(err)
	}
	if _, err := Found(&e); err == nil {
		t.Error("the recovery key has founded a fleet")
	}
}

func TestClients(t *testing.T) {
	f := rolltest.New(t)
	carol := rolltest.Client(t, "carol")
	f.Append(ClientAdd{Client: carol})
	twin := carol
	twin.Name = "twin"
	refused(t, f, f.Next(f.Operator, ClientAdd{Client: twin}), "has the key of")
	refused(t, f, f.Next(f.Operator, ClientAdd{Client: carol}), "already")
	refused(t, f, f.Next(f.Operator, ClientReplace{Client: twin}), "no client")
	refused(t, f, f.Next(f.Operator, ClientRemove{Name: "carol"}, ClientRemove{Name: "carol"}), "no client")
	none := rolltest.Client(t, "none")
	none.Doors = nil
	refused(t, f, f.Next(f.Operator, ClientAdd{Client: none}), "no door")

	other := rolltest.Client(t, "carol")
	f.Append(ClientReplace{Client: other})
	f.Append(ClientAdd{Client: twin}) // her old key is free
	if f.Clients["carol"].Key != other.Key {
		t.Error("the key is not the new one")
	}
	f.Append(ClientRemove{Name: "carol"}, ClientAdd{Client: other})
}

// A revocation ends at a later entry of an operator, and never by anything else.
func TestRevocations(t *testing.T) {
	f := rolltest.New(t)
	f.Append(ClientAdd{Client: rolltest.Client(t, "carol")}) // entry 1
	is := func(upTo uint64, want bool) {
		t.Helper()
		if m := f.Clients["carol"]; m.Holds(upTo) != want {
			t.Errorf("a revocation up to entry %d holds: %v (since %d)", upTo, !want, m.Since)
		}
	}
	is(0, false) // it was made before she was added
	is(1, true)
	changed := f.Clients["carol"].Client
	changed.Doors = []string{"ssh", "db"}
	f.Append(ClientReplace{Client: changed})
	is(1, true)
	f.Append(Revoke{Name: "carol"})
	f.Append(ClientReplace{Client: changed})
	if !f.Clients["carol"].Revoked {
		t.Error("a change of doors has lifted a revocation")
	}
	f.Append(Unrevoke{Name: "carol"}) // entry 5
	is(4, false)
	is(5, true)
	if f.Clients["carol"].Revoked {
		t.Error("she is revoked still")
	}
}

func TestGates(t *testing.T) {
	f := rolltest.New(t)
	tokyo, _, _ := rolltest.Gate(t, "tokyo-1")
	tokyo.Groups = []string{"tokyo"}
	f.Append(GateAdd{Gate: tokyo})
	twin := tokyo
	twin.Name = "tokyo-2"
	refused(t, f, f.Next(f.Operator, GateAdd{Gate: twin}), "has the key of")
	refused(t, f, f.Next(f.Operator, GateRemove{Name: "osaka"}), "no gate")
	rotated, _, _ := rolltest.Gate(t, "tokyo-1")
	f.Append(GateReplace{Gate: rotated})
	f.Append(GateAdd{Gate: twin}) // the key of before is free

	c := rolltest.Client(t, "carol")
	if !c.At(&tokyo) {
		t.Error("a client of no gate in particular counts everywhere")
	}
	c.Groups = []string{"osaka"}
	if c.At(&tokyo) {
		t.Error("a client of another group counts")
	}
	c.Gates = []string{"tokyo-1"}
	if !c.At(&tokyo) {
		t.Error("a client of this gate does not count")
	}
}
