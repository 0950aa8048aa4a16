package roll_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	. "sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
)

// everything returns a fleet in which each kind of change has been made.
func everything(t testing.TB) *rolltest.Fleet {
	f := rolltest.New(t)
	gate, _, _ := rolltest.Gate(t, "tokyo-1")
	gate.Groups, gate.Addresses = []string{"tokyo"}, []string{"192.0.2.1", "2001:db8::1", "gate.example.org"}
	client := rolltest.Client(t, "carol")
	client.Label, client.Gates, client.Groups = "Tanaka's laptop", []string{"osaka"}, []string{"tokyo"}
	client.From = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	client.Hours, client.Expires = []string{"Mon-Fri 08:00-18:00"}, rolltest.Moment.Add(time.Hour)
	client.MaxOpen, client.Single, client.STUN, client.MaxCount = time.Minute, true, true, 3
	f.Append(GateAdd{Gate: gate}, ClientAdd{Client: client})
	f.Append(OperatorAdd{Operator: rolltest.Operator("bob", rolltest.Software(t))}, Revoke{Name: "carol"})
	f.Append(OperatorRemove{Name: "bob"}, Unrevoke{Name: "carol"}, GateReplace{Gate: gate}, ClientReplace{Client: client})
	return f
}

func TestForms(t *testing.T) {
	f := everything(t)
	for _, e := range f.Entries {
		again, err := Parse(e.Marshal())
		if err != nil || !bytes.Equal(again.Marshal(), e.Marshal()) || again.Head() != e.Head() {
			t.Errorf("entry %d: %v", e.Number, err)
		}
	}
	s, err := ParseState(f.Marshal())
	if err != nil || !bytes.Equal(s.Marshal(), f.Marshal()) {
		t.Fatal(err)
	}
	if c := s.Clients["carol"]; c.MaxOpen != time.Minute || c.Expires.IsZero() || c.Since != 3 {
		t.Errorf("carol: %+v", c)
	}
	if s.Recovery == nil || len(s.Gates["tokyo-1"].Server) != 2 {
		t.Error("something is lost")
	}
}

// What is cut short anywhere, or has more at its end, is nothing.
func TestDamage(t *testing.T) {
	f := everything(t)
	entry, state := f.Entries[1].Marshal(), f.Marshal()
	for n := range entry {
		if _, err := Parse(entry[:n]); err == nil {
			t.Fatalf("%d of %d bytes are an entry", n, len(entry))
		}
	}
	for n := range state {
		if _, err := ParseState(state[:n]); err == nil {
			t.Fatalf("%d of %d bytes are a state", n, len(state))
		}
	}
	if _, err := Parse(append(bytes.Clone(entry), 0)); err == nil {
		t.Error("an entry has more at its end")
	}
	if _, err := ParseState(append(bytes.Clone(state), 0)); err == nil {
		t.Error("a state has more at its end")
	}
	for i := range state {
		state[i] ^= 1
		if s, err := ParseState(state); err == nil && !bytes.Equal(s.Marshal(), state) {
			t.Errorf("byte %d: read as something else", i)
		}
		state[i] ^= 1
	}
}

func FuzzParse(f *testing.F) {
	for _, e := range everything(f).Entries {
		f.Add(e.Marshal())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if e, err := Parse(text); err == nil && !bytes.Equal(e.Marshal(), text) {
			t.Error("it accepts what it would not write")
		}
	})
}

func FuzzParseState(f *testing.F) {
	f.Add(everything(f).Marshal())
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := ParseState(text); err == nil && !bytes.Equal(s.Marshal(), text) {
			t.Error("it accepts what it would not write")
		}
	})
}
