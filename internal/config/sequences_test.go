package config

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sallyport/internal/packet"
)

// randomDoors makes doors whose sequences often contain each other.
func randomDoors(r *rand.Rand) []Door {
	list := make([]Door, r.IntN(12))
	for i := range list {
		d := &list[i]
		d.Name = fmt.Sprint("door", i)
		d.Ports = []packet.Port{{Proto: packet.TCP, Number: uint16(1 + i)}}
		for range r.IntN(5) {
			d.Sequence = append(d.Sequence, packet.Port{Proto: []packet.Proto{packet.TCP, packet.UDP}[r.IntN(2)], Number: uint16(20 + r.IntN(3))})
		}
	}
	return list
}

// check runs one check over doors and returns the names of those it refuses.
func check(list []Door, public []packet.Port, f func(*loader)) []string {
	l := &loader{config: Config{Doors: list, Gate: Gate{Public: public}}, owners: make(map[packet.Port]int)}
	for i, d := range list {
		at := Place{d.Name, 1}
		l.doors = append(l.doors, &section{name: d.Name, table: newTable(at), errs: &l.errs})
		for _, p := range d.Ports {
			l.owners[p] = i
		}
	}
	f(l)
	var names []string
	for _, e := range l.errs {
		names = append(names, e.Place.File)
	}
	slices.Sort(names)
	return names
}

func TestPrefixesAgainstEveryPair(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 5000 {
		list := randomDoors(r)
		var want []string
		for _, a := range list {
			if len(a.Sequence) > 0 && slices.ContainsFunc(list, func(b Door) bool {
				return len(b.Sequence) > len(a.Sequence) && hasPrefix(b.Sequence, a.Sequence)
			}) {
				want = append(want, a.Name)
			}
		}
		slices.Sort(want)
		refused += len(want)
		if got := check(list, nil, (*loader).checkPrefixes); !slices.Equal(got, want) {
			t.Fatalf("%v:\n got %v\nwant %v", list, got, want)
		}
	}
	if refused == 0 {
		t.Error("no sequence began another: this test showed nothing")
	}
}

// A scan is played against the rule of the tracker: neutral ports are skipped,
// any other port is a knock, and the latest knocks must be the sequence. A
// port may be tried again before the next.
func TestScansAgainstTheRule(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	refused := 0
	for range 1000 {
		list := randomDoors(r)
		public := []packet.Port{{Proto: packet.TCP, Number: 21}}
		if r.IntN(2) == 0 {
			public = nil
		}
		var want []string
		for _, d := range list {
			if len(d.Sequence) >= minKnocks && !slices.ContainsFunc(d.Sequence, func(p packet.Port) bool { return slices.Contains(public, p) }) && scanOpens(d.Sequence, public) {
				want = append(want, d.Name)
			}
		}
		slices.Sort(want)
		refused += len(want)
		for i := range list { // a knock on a public port is refused elsewhere
			if slices.ContainsFunc(list[i].Sequence, func(p packet.Port) bool { return slices.Contains(public, p) }) {
				list[i].Sequence = nil
			}
		}
		if got := check(list, public, (*loader).checkScans); !slices.Equal(got, want) {
			t.Fatalf("%v, public %v:\n got %v\nwant %v", list, public, got, want)
		}
	}
	if refused == 0 {
		t.Error("no scan opened anything: this test showed nothing")
	}
}

func scanOpens(knocks []packet.Port, neutral []packet.Port) bool {
	for _, proto := range []packet.Proto{packet.TCP, packet.UDP} {
		var up []packet.Port
		for n := range uint16(40) {
			if p := (packet.Port{Proto: proto, Number: n}); n > 15 && !slices.Contains(neutral, p) {
				// As often as the sequence has it, at least once.
				up = append(up, p)
				for range count(knocks, p) - 1 {
					up = append(up, p)
				}
			}
		}
		for range 2 {
			for i := range len(up) - len(knocks) {
				if slices.Equal(up[i:i+len(knocks)], knocks) {
					return true
				}
			}
			slices.Reverse(up)
		}
	}
	return false
}

func count(knocks []packet.Port, p packet.Port) (n int) {
	for _, k := range knocks {
		if k == p {
			n++
		}
	}
	return n
}
