package desk_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/agent"

	"sallyport/internal/fleet/admission"
	"sallyport/internal/fleet/archive"
	. "sallyport/internal/fleet/desk"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
	"sallyport/internal/fleet/store/storetest"
)

var file = File{Endpoints: []string{"127.0.0.1:2379"}}

// founded returns an operator's desk in a new fleet.
func founded(t *testing.T) (*Desk, *rolltest.Fleet, *storetest.Double) {
	t.Helper()
	f, s, folder := rolltest.New(t), storetest.New(), Folder(t.TempDir())
	if err := folder.Found(t.Context(), s, file, f.Entries[0]); err != nil {
		t.Fatal(err)
	}
	return sit(t, folder, s), f, s
}

func sit(t *testing.T, f Folder, s store.Store) *Desk {
	t.Helper()
	d, err := f.Sit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	d.File = file
	return d
}

func TestChange(t *testing.T) {
	d, f, s := founded(t)
	head, err := d.Change(t.Context(), f.Operator, roll.ClientAdd{Client: rolltest.Client(t, "carol")}, roll.Revoke{Name: "carol"})
	if err != nil || head.Number != 1 || !d.View.Clients["carol"].Revoked {
		t.Fatalf("%v, %v", head, err)
	}
	if again := sit(t, d.Folder, s); again.View.Head != head {
		t.Errorf("the next command sees %v", again.View.Head)
	}
	f.Operator.Flags = 0 // the next signature would fail
	if _, err := d.Change(t.Context(), f.Operator, roll.ClientRemove{Name: "dave"}); err == nil || !strings.Contains(err.Error(), "no client") {
		t.Errorf("what does not count was signed: %v", err)
	}
}

// Keys in an agent sign, and what they sign counts.
func TestAgent(t *testing.T) {
	d, f, _ := founded(t)
	_, private, _ := ed25519.GenerateKey(nil)
	keyring := agent.NewKeyring()
	if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	signers, err := keyring.Signers()
	if err != nil {
		t.Fatal(err)
	}
	bob := roll.Operator{Name: "bob", Key: roll.KeyText(signers[0].PublicKey()), Software: true}
	if _, err := d.Change(t.Context(), f.Operator, roll.OperatorAdd{Operator: bob}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Change(t.Context(), signers[0], roll.OperatorRemove{Name: "alice"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Change(t.Context(), f.Operator, roll.OperatorRemove{Name: "bob"}); err == nil {
		t.Error("who was removed signs")
	}
}

// Two operators at once: the slower one signs again, and both changes count.
func TestTwoAtOnce(t *testing.T) {
	d, f, s := founded(t)
	other := sit(t, d.Folder, s)
	if _, err := d.Change(t.Context(), f.Operator, roll.ClientAdd{Client: rolltest.Client(t, "carol")}); err != nil {
		t.Fatal(err)
	}
	head, err := other.Change(t.Context(), f.Operator, roll.ClientAdd{Client: rolltest.Client(t, "dave")})
	if err != nil || head.Number != 2 || len(other.View.Clients) != 2 {
		t.Errorf("%v, %v", head, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	d, f, _ := founded(t)
	many := rolltest.Clients(t, 7000)
	head, err := d.Change(t.Context(), f.Operator, many...)
	if err != nil || len(d.View.Clients) != len(many) {
		t.Fatal(err)
	}
	if head.Number < 2 || head.Number > 4 {
		t.Errorf("%d clients are %d entries", len(many), head.Number)
	}
}

func TestCheckpointIsSignedOnTheWay(t *testing.T) {
	d, f, s := founded(t)
	v, err := archive.Load(t.Context(), s, nil, f.Head)
	if err != nil {
		t.Fatal(err)
	}
	carol := rolltest.Client(t, "carol")
	for !v.DueCheckpoint() {
		if err := v.Append(t.Context(), s, f.Append(roll.ClientAdd{Client: carol}, roll.ClientRemove{Name: "carol"})); err != nil {
			t.Fatal(err)
		}
	}
	d = sit(t, d.Folder, s)
	head, err := d.Change(t.Context(), f.Operator, roll.ClientAdd{Client: carol})
	if err != nil || head.Number != roll.Interval+1 {
		t.Fatalf("%v, %v", head, err)
	}
	if again := sit(t, d.Folder, s); again.View.Head != head || again.View.Entries[0].Number != roll.Interval {
		t.Errorf("the next command begins at entry %d", again.View.Entries[0].Number)
	}
}

// A commit whose answer was lost has been done, or not; the roll says which.
func TestUnknownOutcome(t *testing.T) {
	d, f, s := founded(t)
	for i, done := range []bool{true, false} {
		lossy := &lossy{Store: s, done: done, left: 1}
		d.Store = lossy
		name := fmt.Sprintf("client-%d", i)
		_, err := d.Change(t.Context(), f.Operator, roll.ClientAdd{Client: rolltest.Client(t, name)})
		if _, there := d.View.Clients[name]; (err == nil) != done || there != done {
			t.Errorf("done %v: %v", done, err)
		}
	}
}

// lossy loses the answers of its first commits.
type lossy struct {
	store.Store
	done bool
	left int
}

func (l *lossy) Commit(ctx context.Context, i []store.If, w []store.Write) (o store.Outcome, err error) {
	if l.left == 0 {
		return l.Store.Commit(ctx, i, w)
	}
	l.left--
	if l.done {
		_, err = l.Store.Commit(ctx, i, w)
	}
	return o, errors.Join(err, store.ErrUnreachable)
}

func TestJoin(t *testing.T) {
	d, f, s := founded(t)
	now := time.Now()
	i, err := d.Invite("tokyo-1", []string{"tokyo"}, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	gate, private, _ := rolltest.Gate(t, "tokyo-1")
	gate.Groups = i.Groups
	ask := func(g roll.Gate, voucher ed25519.PrivateKey, replace bool) Request {
		t.Helper()
		if err := Ask(t.Context(), s, &admission.Request{Fleet: i.Fleet, Gate: g, Replace: replace}, private, voucher); err != nil {
			t.Fatal(err)
		}
		list, err := d.Requests(t.Context(), now)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d requests, %v", len(list), err)
		}
		return list[0]
	}
	_, stranger, _ := ed25519.GenerateKey(nil)
	if q := ask(gate, stranger, false); q.Vouched == nil {
		t.Error("a stranger is vouched for")
	}
	more := gate
	more.Groups = []string{"tokyo", "vault"}
	if q := ask(more, i.Key(), false); q.Vouched == nil {
		t.Error("it asks for more than it was invited to")
	}
	q := ask(gate, i.Key(), false)
	if q.Vouched != nil || q.Twice {
		t.Fatal(q.Vouched)
	}
	if _, err := d.Change(t.Context(), f.Operator, d.Changes(q)...); err != nil {
		t.Fatal(err)
	}
	if err := d.Done(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	state, err := Await(t.Context(), s, i.Head, "tokyo-1", gate.Key)
	if err != nil || state.Head != d.View.Head {
		t.Errorf("the gate sees %v", err)
	}
	if q := ask(gate, i.Key(), false); q.Vouched == nil {
		t.Error("the invitation works twice")
	}

	old := private
	gate, private, _ = rolltest.Gate(t, "tokyo-1")
	gate.Groups = i.Groups
	if q := ask(gate, stranger, true); q.Vouched == nil {
		t.Error("a stranger takes the gate's place")
	}
	gate.Groups = nil
	if q := ask(gate, old, true); q.Vouched == nil {
		t.Error("a gate changes its groups")
	}
	gate.Groups = i.Groups
	if q := ask(gate, old, true); q.Vouched != nil {
		t.Errorf("the gate itself: %v", q.Vouched)
	}
}

// What is under join/ was written by anybody.
func TestJunkInRequests(t *testing.T) {
	d, _, s := founded(t)
	gate, private, _ := rolltest.Gate(t, "tokyo-1")
	foreign, _ := (&admission.Request{Fleet: roll.Hash{9}, Gate: gate}).Sign(private, private)
	own, _ := (&admission.Request{Fleet: d.View.Fleet, Gate: gate}).Sign(private, private)
	for key, value := range map[string][]byte{"a": nil, "b": []byte("junk"), "tokyo-1": foreign, "tokyo-2": own} {
		if _, err := s.Commit(t.Context(), nil, []store.Write{{Key: archive.JoinPrefix + key, Value: value}}); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := d.Requests(t.Context(), time.Now()); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestFile(t *testing.T) {
	folder := Folder(t.TempDir())
	want := File{Endpoints: []string{"192.0.2.1:2379", "etcd.example.org:2379"}, CA: "/a/ca.pem", Cert: "/a/cert.pem", Key: "/a/key.pem", Identity: "SHA256:x"}
	if err := folder.Write(want); err != nil {
		t.Fatal(err)
	}
	got, err := folder.Read()
	if err != nil || strings.Join(got.Endpoints, " ") != strings.Join(want.Endpoints, " ") || got.Certs() != want.Certs() || got.Identity != want.Identity {
		t.Errorf("%+v, %v", got, err)
	}
	for what, f := range map[string]File{
		"no servers": {}, "no certificates": {Endpoints: []string{"192.0.2.1:2379"}}, "one of three": {Endpoints: []string{"127.0.0.1:1"}, CA: "/a"},
		"a path from here": {Endpoints: []string{"127.0.0.1:1"}, CA: "a", Cert: "/b", Key: "/c"}, "no port": {Endpoints: []string{"127.0.0.1"}},
	} {
		if f.Check() == nil {
			t.Errorf("%s: it is good", what)
		}
	}
}

// A store that was put back to an old snapshot gets the newer entries from an operator.
func TestRestore(t *testing.T) {
	d, f, s := founded(t)
	old := s.Snapshot()
	for _, c := range []roll.Change{roll.ClientAdd{Client: rolltest.Client(t, "carol")}, roll.ClientRemove{Name: "carol"}} {
		if _, err := d.Change(t.Context(), f.Operator, c); err != nil {
			t.Fatal(err)
		}
	}
	s.Restore(old)
	if _, err := d.Folder.Sit(t.Context(), s); !errors.Is(err, archive.ErrNone) {
		t.Fatalf("an old snapshot is believed: %v", err)
	}
	if n, err := d.Folder.Restore(t.Context(), s); err != nil || n != 2 {
		t.Fatalf("%d entries, %v", n, err)
	}
	if again := sit(t, d.Folder, s); again.View.Head != d.View.Head {
		t.Errorf("the roll ends at %v", again.View.Head)
	}
	s.Wipe()
	if n, err := d.Folder.Restore(t.Context(), s); err != nil || n != 3 {
		t.Errorf("into an empty store: %d entries, %v", n, err)
	}
}
