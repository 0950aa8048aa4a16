package follow

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
)

// fleet is a fleet with gates and clients, and what the gate tokyo knows of it.
type fleet struct {
	*rolltest.Fleet
	*View
	keys map[string]ed25519.PrivateKey
	t    *testing.T
}

func newFleet(t *testing.T) *fleet {
	f := &fleet{Fleet: rolltest.New(t), keys: map[string]ed25519.PrivateKey{}, t: t}
	for _, name := range []string{"tokyo", "osaka", "kyoto"} {
		g, private, _ := rolltest.Gate(t, name)
		f.keys[name] = private
		f.Append(roll.GateAdd{Gate: g})
	}
	for _, name := range []string{"alice", "bob"} {
		f.Append(roll.ClientAdd{Client: rolltest.Client(t, name)})
	}
	f.View = New("tokyo", f.State.Clone())
	return f
}

// add adds an entry that tokyo reads at once.
func (f *fleet) add(changes ...roll.Change) { f.Append(changes...); f.Advance(f.State.Clone()) }

// says has a gate sign a record, and tokyo take it.
func (f *fleet) says(gate, key string, r record.Record) (bool, error) {
	changed, _, err := f.Take(key, record.Sign(f.keys[gate], f.State.Fleet, key, r))
	return changed, err
}

func (f *fleet) revokes(gate, client string, upTo uint64) {
	f.t.Helper()
	if _, err := f.says(gate, record.RevokedKey(gate, client), record.Revocation{Client: client, UpTo: upTo}); err != nil {
		f.t.Fatal(err)
	}
}

// out lists those of alice and bob who are kept out.
func (f *fleet) out() string {
	var list []string
	for _, name := range []string{"alice", "bob"} {
		if _, revoked := f.Revocation(name); revoked {
			list = append(list, name)
		}
	}
	return strings.Join(list, " ")
}

func (f *fleet) want(what, out string) {
	f.t.Helper()
	if got := f.out(); got != out {
		f.t.Errorf("%s: %q are kept out, want %q", what, got, out)
	}
}

func TestRevocation(t *testing.T) {
	f := newFleet(t)
	f.want("before", "")
	f.revokes("osaka", "alice", f.State.Head.Number)
	f.want("revoked", "alice")
	f.add(roll.ClientAdd{Client: rolltest.Client(t, "carol")})
	f.want("another entry", "alice")
	f.add(roll.Unrevoke{Name: "alice"})
	f.want("operators have let her in", "")
	f.revokes("osaka", "alice", f.State.Head.Number-1)
	f.want("the old revocation shown again", "")
	f.revokes("kyoto", "alice", f.State.Head.Number)
	f.want("a new one", "alice")
	f.revokes("osaka", "alice", f.State.Head.Number-1)
	f.want("an older one after it", "alice")
	f.add(roll.Revoke{Name: "bob"})
	f.want("by an operator", "alice bob")
	f.add(roll.ClientRemove{Name: "alice"}, roll.ClientAdd{Client: rolltest.Client(t, "alice")})
	f.want("she is another one now", "bob")
}

// A gate that is ahead of this one is believed at once, and one that lies about entries
// that are not there has no more than this gate's word on it, until operators remove it.
func TestRevocationFromTheFuture(t *testing.T) {
	f := newFleet(t)
	f.Append(roll.Unrevoke{Name: "alice"})
	next := f.State.Clone() // which tokyo has not read
	f.revokes("osaka", "alice", next.Head.Number)
	f.want("of an entry that is not known yet", "alice")
	if why := f.Behind(); !strings.Contains(why, "osaka") {
		t.Errorf("behind: %q", why)
	}
	f.Advance(next)
	f.want("which is known now", "alice")
	if why := f.Behind(); why != "" {
		t.Errorf("behind: %q", why)
	}
	f.revokes("kyoto", "bob", 1<<40)
	f.want("a lie", "alice bob")
	f.add(roll.Unrevoke{Name: "alice"})
	f.add(roll.GateRemove{Name: "kyoto"})
	f.want("operators have removed the gate", "")
	if why := f.Behind(); why != "" {
		t.Errorf("behind: %q", why)
	}
}

// What a gate has revoked holds when the gate is gone.
func TestRevocationOutlivesItsGate(t *testing.T) {
	f := newFleet(t)
	f.revokes("osaka", "alice", f.State.Head.Number)
	f.add(roll.GateRemove{Name: "osaka"})
	f.want("its gate is gone", "alice")
}

func TestNoGateRevokesOperators(t *testing.T) {
	f := newFleet(t)
	c := rolltest.Client(t, "admin")
	c.Key = roll.KeyText(f.Operator.PublicKey())
	f.add(roll.ClientAdd{Client: c})
	f.revokes("osaka", "admin", f.State.Head.Number)
	f.revokes("kyoto", "admin", 1<<40)
	if why, revoked := f.Revocation("admin"); revoked {
		t.Error(why)
	}
	f.add(roll.Revoke{Name: "admin"})
	if _, revoked := f.Revocation("admin"); !revoked {
		t.Error("an operator cannot revoke one")
	}
}

func TestBeats(t *testing.T) {
	f := newFleet(t)
	beat := record.Beat{Head: roll.Head{Number: f.State.Head.Number + 3}}
	if changed, err := f.says("osaka", record.BeatKey("osaka"), beat); !changed || err != nil || f.Behind() == "" {
		t.Errorf("%v %v %q", changed, err, f.Behind())
	}
	for range 3 {
		f.add(roll.Unrevoke{Name: "alice"})
	}
	if why := f.Behind(); why != "" {
		t.Error(why)
	}
	if _, err := f.says("osaka", record.BeatKey("kyoto"), beat); err == nil {
		t.Error("a gate speaks for another")
	}
}

// What was kept is what is read, and nothing that was revoked comes back.
func TestKept(t *testing.T) {
	f := newFleet(t)
	f.revokes("osaka", "alice", f.State.Head.Number)
	f.add(roll.GateRemove{Name: "osaka"})
	f.View.Seen.Cluster, f.View.Seen.Revision = 7, 99
	text := f.View.Marshal()
	v, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(v.Marshal(), text) || v.Seen != f.View.Seen || v.Gate != "tokyo" {
		t.Errorf("%+v", v)
	}
	f.View = v
	f.want("after a restart", "alice")
	for i := 0; i < len(text); i += 7 {
		if _, err := Parse(text[:i]); err == nil {
			t.Fatalf("%d bytes of %d are read", i, len(text))
		}
	}
}

func TestFreshness(t *testing.T) {
	wall := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	heard := Now{"a", time.Hour, wall}.Heard()
	for name, c := range map[string]struct {
		now  Now
		want time.Duration
	}{
		"at once":                  {Now{"a", time.Hour, wall}, 0},
		"the clock is set forward": {Now{"a", time.Hour + time.Minute, wall.Add(1000 * time.Hour)}, time.Minute},
		"and back":                 {Now{"a", time.Hour + time.Minute, wall.Add(-1000 * time.Hour)}, time.Minute},
		"after a restart":          {Now{"b", time.Minute, wall.Add(time.Hour)}, time.Hour},
		"with a clock set back":    {Now{"b", time.Minute, wall.Add(-time.Hour)}, time.Minute},
		"time goes back":           {Now{"a", time.Minute, wall}, Never},
	} {
		if got := heard.Aged(c.now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		kept := ParseFresh(heard.Marshal())
		if got := kept.Aged(c.now); got != c.want {
			t.Errorf("kept, %s: %s, want %s", name, got, c.want)
		}
	}
	if got := (Fresh{}).Aged(Now{"a", 0, wall}); got != Never {
		t.Errorf("never heard: %s", got)
	}
	if got := ParseFresh([]byte("damaged")).Aged(Now{"a", 0, wall}); got != Never {
		t.Errorf("damaged: %s", got)
	}
}

func noSecret(roll.Member) (s sequence.Secret) { return s }

func TestLayer(t *testing.T) {
	f := newFleet(t)
	own := rolltest.Client(t, "own")
	key, err := own.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, unknown, twin := rolltest.Client(t, "elsewhere"), rolltest.Client(t, "unknown"), own
	elsewhere.Gates, unknown.Doors, twin.Name = []string{"osaka"}, []string{"web"}, "twin"
	named := rolltest.Client(t, "own")
	f.add(roll.ClientAdd{Client: elsewhere}, roll.ClientAdd{Client: unknown}, roll.ClientAdd{Client: twin}, roll.ClientAdd{Client: named}, roll.Revoke{Name: "bob"})
	cfg := &config.Config{
		Daemon: config.Daemon{StateDir: "/var/lib/sallyport"}, SPA: config.SPA{Port: 40321},
		Doors:   []config.Door{{Name: "ssh", Ports: packet.MustPorts("tcp/22")}},
		Clients: []config.Client{{Name: "own", Key: key, Doors: []string{"ssh"}}},
	}
	over, aside := f.Over(cfg, noSecret)
	var names []string
	for _, c := range over.Clients {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "own alice" || !Is(over, &over.Clients[1]) || Is(over, &over.Clients[0]) {
		t.Errorf("clients: %s", got)
	}
	if len(aside) != 3 {
		t.Errorf("set aside: %q", aside)
	}
	if again, _ := f.Over(over, noSecret); len(again.Clients) != 2 {
		t.Errorf("a second time: %d clients", len(again.Clients))
	}
	if without := Without(over); len(without.Clients) != 1 || len(cfg.Clients) != 1 {
		t.Errorf("without: %d clients", len(without.Clients))
	}
	f.add(roll.GateRemove{Name: "tokyo"})
	if over, _ := f.Over(cfg, noSecret); len(over.Clients) != 1 {
		t.Error("a gate that is none of the fleet's has its clients")
	}
}

// An enemy who holds etcd can put anything under any key.
func FuzzTake(f *testing.F) {
	f.Add("gate/osaka/revoked/alice", []byte("x"))
	f.Add("secret/tokyo/alice", []byte("x"))
	f.Add("beat/osaka", bytes.Repeat([]byte{1}, 200))
	made := New("tokyo", rolltest.New(f).State)
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		if changed, r, _ := made.Take(key, value); changed || r != nil {
			t.Errorf("%q %x: %+v", key, value, r)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(New("tokyo", rolltest.New(f).State).Marshal())
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(v.Marshal())
		if err != nil || !slices.Equal(again.Marshal(), v.Marshal()) {
			t.Errorf("%x", text)
		}
	})
}
