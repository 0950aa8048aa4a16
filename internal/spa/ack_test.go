package spa

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"sallyport/internal/key"
)

// exchange seals a knock and opens it at the server.
func exchange(t testing.TB, ring key.Keyring, to key.Private) (*Sealed, *Message) {
	t.Helper()
	s := sealed(t, to, request(noon), fixed(64))
	m, reason := open(NewOpener(ring, skew), noon, s.Datagram)
	if reason != "" {
		t.Fatal(reason)
	}
	return s, m
}

func doors(n int) []AckDoor {
	var out []AckDoor
	for i := range n {
		out = append(out, AckDoor{ID: DoorID(fmt.Sprint("door", i)), For: time.Duration(i) * time.Second, Single: i%2 == 1})
	}
	return out
}

func TestAck(t *testing.T) {
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		k := newKey(t, suite)
		s, m := exchange(t, key.NewKeyring(k), k)
		for _, tc := range []struct {
			name string
			ack  Ack
		}{
			{"opened, one door", Ack{Status: Opened, Time: noon, Source: home, Doors: []AckDoor{{DoorID("ssh"), 30 * time.Second, true}}, Total: 1}},
			{"opened, longest time", Ack{Status: Opened, Time: noon, Source: home, Doors: []AckDoor{{DoorID("ssh"), maxAckFor * time.Second, false}}, Total: 1}},
			{"opened, IPv6, many doors", Ack{Status: Opened, Time: noon, Source: abroad, Doors: doors(8), Total: 8}},
			{"given back", Ack{Status: Closed, Time: noon, Source: home, Doors: doors(1), Total: 1}},
			{"nothing to give back", Ack{Status: Closed, Time: noon, Source: home}},
			{"forbidden", Ack{Status: Refused, Reason: ForbiddenDoor, Time: noon, Source: home}},
			{"not opened", Ack{Status: Refused, Reason: NotOpened, Time: noon, Source: abroad}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				datagram, err := m.SealAck(tc.ack)
				if err != nil {
					t.Fatal(err)
				}
				if len(datagram) != 118 || len(datagram) >= Lengths(key.X25519)[0].First {
					t.Errorf("%d bytes", len(datagram))
				}
				got, err := s.OpenAck(datagram)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, tc.ack) {
					t.Errorf("got  %+v\nwant %+v", got, tc.ack)
				}
			})
		}
	}
}

// More doors than there is room for are counted.
func TestAckOfManyDoors(t *testing.T) {
	k := newKey(t, key.X25519)
	s, m := exchange(t, key.NewKeyring(k), k)
	for _, tc := range []struct{ doors, named, total int }{{9, 8, 9}, {255, 8, 255}, {1000, 8, 255}} {
		datagram, err := m.SealAck(Ack{Status: Opened, Time: noon, Source: home, Doors: doors(tc.doors)})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.OpenAck(datagram)
		if err != nil || len(got.Doors) != tc.named || got.Total != tc.total {
			t.Errorf("%d doors: %d named, %d in all, %v", tc.doors, len(got.Doors), got.Total, err)
		}
	}
}

func TestAckTellsOfTheOldKey(t *testing.T) {
	before, after := newKey(t, key.X25519), newKey(t, key.X25519)
	ring := key.NewKeyring(before).Rotate(after, noon.Add(time.Hour))
	for _, tc := range []struct {
		to   key.Private
		want bool
	}{{before, true}, {after, false}} {
		s, m := exchange(t, ring, tc.to)
		datagram, err := m.SealAck(Ack{Status: Opened, Time: noon, Source: home})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.OpenAck(datagram); err != nil || got.OldKey != tc.want {
			t.Errorf("old key: %v, %v", got.OldKey, err)
		}
	}
}

func TestSealAckRefuses(t *testing.T) {
	k := newKey(t, key.X25519)
	_, m := exchange(t, key.NewKeyring(k), k)
	good := Ack{Status: Opened, Time: noon, Source: home}
	with := func(change func(*Ack)) Ack { a := good; change(&a); return a }
	for _, tc := range []struct {
		name string
		ack  Ack
	}{
		{"no status", with(func(a *Ack) { a.Status = 0 })},
		{"unknown status", with(func(a *Ack) { a.Status = 5 })},
		{"opened with a reason", with(func(a *Ack) { a.Reason = NotOpened })},
		{"refused without a reason", with(func(a *Ack) { a.Status = Refused })},
		{"a reason not for clients", with(func(a *Ack) { a.Status, a.Reason = Refused, BadSeal })},
		{"no source", with(func(a *Ack) { a.Source = netip.Addr{} })},
		{"before 1970", with(func(a *Ack) { a.Time = time.Time{} })},
		{"half a second", with(func(a *Ack) { a.Doors = []AckDoor{{For: time.Second / 2}} })},
		{"a year", with(func(a *Ack) { a.Doors = []AckDoor{{For: 365 * 24 * time.Hour}} })},
		{"less than nothing", with(func(a *Ack) { a.Doors = []AckDoor{{For: -time.Second}} })},
	} {
		if datagram, err := m.SealAck(tc.ack); err == nil {
			t.Errorf("%s: sealed %x", tc.name, datagram)
		}
	}
}

func TestOpenAckRefuses(t *testing.T) {
	k := newKey(t, key.X25519)
	s, m := exchange(t, key.NewKeyring(k), k)
	other, _ := exchange(t, key.NewKeyring(k), k)
	datagram, err := m.SealAck(Ack{Status: Opened, Time: noon, Source: home, Doors: doors(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.OpenAck(datagram); err == nil {
		t.Error("the answer to one knock passes for the answer to another")
	}
	for _, n := range []int{0, 1, AckSize - 1} {
		if _, err := s.OpenAck(datagram[:n]); err == nil {
			t.Errorf("%d bytes of it pass", n)
		}
	}
	if _, err := s.OpenAck(append(datagram, 0)); err == nil {
		t.Error("a longer one passes")
	}
	if _, err := s.OpenAck(s.Datagram); err == nil {
		t.Error("the knock itself passes")
	}
	for bit := range AckSize * 8 {
		datagram[bit/8] ^= 1 << (bit % 8)
		if _, err := s.OpenAck(datagram); err == nil {
			t.Errorf("passes with bit %d changed", bit)
		}
		datagram[bit/8] ^= 1 << (bit % 8)
	}
	if _, err := s.OpenAck(datagram); err != nil {
		t.Error(err)
	}
}

// A server that does not keep to the rules is not believed.
func TestParseAckRefuses(t *testing.T) {
	good, err := Ack{Status: Opened, Time: noon, Source: home, Doors: doors(2), Total: 2}.marshal()
	if err != nil {
		t.Fatal(err)
	}
	with := func(at int, value byte) []byte { b := bytes.Clone(good); b[at] = value; return b }
	for _, tc := range []struct {
		name  string
		plain []byte
		want  bool
	}{
		{"as it should be", good, true},
		{"cut short", good[:ackPlainSize-1], false},
		{"longer", append(bytes.Clone(good), 0), false},
		{"status 0", with(0, 0), false},
		{"status 5", with(0, 5), false},
		{"refused without a reason", with(0, byte(Refused)), false},
		{"opened with a reason", with(1, 1), false},
		{"reason 8", with(1, 8), false},
		{"flag 0", with(2, 1), true},
		{"flag 1", with(2, 2), false},
		{"fewer doors than there are", with(3, 1), false},
		{"a third door, all zero", with(3, 3), true},
		{"source none", append(append(bytes.Clone(good[:10]), make([]byte, 16)...), good[26:]...), false},
		{"flag 1 of a door", with(ackHeadSize+4, 2), false},
		{"something after the doors", with(ackPlainSize-1, 1), false},
	} {
		if _, err := parseAck(tc.plain); (err == nil) != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// A captured acknowledgement says the same never twice.
func TestAcksDiffer(t *testing.T) {
	k := newKey(t, key.X25519)
	_, m := exchange(t, key.NewKeyring(k), k)
	seen := map[string]bool{}
	for range 100 {
		datagram, err := m.SealAck(Ack{Status: Opened, Time: noon, Source: home})
		if err != nil || seen[string(datagram)] {
			t.Fatal("the same again", err)
		}
		seen[string(datagram)] = true
	}
}
