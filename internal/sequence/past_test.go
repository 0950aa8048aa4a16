package sequence

import (
	"fmt"
	"testing"
	"time"

	"sallyport/internal/packet"
)

// Orphans of a completed sequence, which a browser's system sends again each second,
// do not break the next one.
func TestOrphansAreNoKnocks(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, "tcp/1 tcp/2 tcp/3 tcp/4 tcp/5"), seq(time.Second, "tcp/6 tcp/7 tcp/8 tcp/9 tcp/10"))
	var orphans []*packet.Packet
	for _, p := range ports("tcp/1 tcp/2 tcp/3 tcp/4 tcp/5") {
		orphans = append(orphans, b.packet(alice, p))
	}
	done := 0
	for _, p := range orphans {
		done += len(b.Observe(b.now, p).Done)
	}
	if done != 1 {
		t.Fatal("the first sequence does not open")
	}
	for range 5 { // of which the latest 32 knocks are known
		b.now = b.now.Add(time.Second)
		for i, p := range ports("tcp/6 tcp/7 tcp/8 tcp/9 tcp/10") {
			if o := b.Observe(b.now, orphans[i]); len(o.Done) > 0 || o.Broken > 0 || o.Scanner {
				t.Fatalf("an orphan counts: %+v", o)
			}
			done += len(b.Observe(b.now, b.packet(alice, p)).Done)
		}
	}
	if done != 6 {
		t.Errorf("%d of 6 sequences open", done)
	}
	// Later, and of others, the same packet is a knock.
	b.now = b.now.Add(copiesFor + time.Second)
	for i, p := range orphans {
		if o := b.Observe(b.now, p); i == 4 && len(o.Done) != 1 {
			t.Errorf("after two minutes: %+v", o)
		}
	}
}

// Each knock sent twice from two source ports at once opens.
func TestDoubledKnocks(t *testing.T) {
	b := newBench(Limits{}, seq(time.Second, "tcp/1 tcp/2 tcp/3 tcp/4"))
	opens(t, b.knock(alice, "tcp/1 tcp/1 tcp/2 tcp/2 tcp/3 tcp/3 tcp/4"), 0)
	opens(t, b.knock(alice, "tcp/4"))
	opens(t, b.knock(alice, "tcp/1 tcp/2 tcp/3 tcp/2 tcp/3 tcp/2 tcp/4"), 0) // and doubles that come late
	opens(t, b.knock(alice, "tcp/1 tcp/2 tcp/3 tcp/4"), 0)
	for name, c := range map[string]struct{ sequence, knocks string }{
		"UDP":                          {"udp/1 udp/2 udp/3", "udp/1 udp/2 udp/2 udp/3"},
		"a sequence with a port twice": {"tcp/1 tcp/2 tcp/1 tcp/3", "tcp/1 tcp/2 tcp/2 tcp/1 tcp/3"},
		"another port":                 {"tcp/1 tcp/2 tcp/3", "tcp/1 tcp/2 tcp/9 tcp/3"},
	} {
		b := newBench(Limits{}, seq(time.Second, c.sequence))
		if o := b.knock(alice, c.knocks); len(o.Done) != 0 {
			t.Errorf("%s: opens", name)
		}
	}
	late := newBench(Limits{}, seq(time.Minute, "tcp/1 tcp/2 tcp/3"))
	late.knock(alice, "tcp/1 tcp/2")
	late.now = late.now.Add(repeatsFor + time.Second)
	if o := late.knock(alice, "tcp/2 tcp/3"); len(o.Done) != 0 {
		t.Error("a repeat after more than two seconds is left out")
	}
}

// Repeats are wrong knocks for a source that sends many.
func TestRepeatsCount(t *testing.T) {
	b := newBench(Limits{}, seq(time.Hour, "tcp/1 tcp/2 tcp/3 tcp/4"))
	b.knock(alice, "tcp/1 tcp/2 tcp/3")
	for i := range 2 * guesses {
		if o := b.knock(alice, fmt.Sprintf("tcp/%d", 2+i%2)); o.Scanner {
			return
		}
		b.now = b.now.Add(-time.Millisecond) // all at once
	}
	t.Error("who repeats without end is no guesser")
}

// What repeats give a guesser: of all streams over a few ports, none completes more
// than three times as many sequences as the strict rule lets the best stream.
func TestWhatRepeatsGiveAGuesser(t *testing.T) {
	const numbers, length, sent = 4, 3, 8
	var all []Sequence
	for code := range numbers * numbers * numbers {
		k := [length]int{code % numbers, code / numbers % numbers, code / numbers / numbers}
		if k[0] != k[1] && k[1] != k[2] && k[0] != k[2] {
			all = append(all, seq(time.Hour, fmt.Sprintf("tcp/%d tcp/%d tcp/%d", k[0]+1, k[1]+1, k[2]+1)))
		}
	}
	var tables []*Table
	for _, s := range all {
		tables = append(tables, Compile([]Sequence{s}))
	}
	most, strict := 0, sent-length+1 // a stream of n knocks has n-2 runs of three
	streams := 1
	for range sent {
		streams *= numbers
	}
	tracker := &Tracker{}
	for code := range streams {
		opened := 0
		for _, table := range tables {
			if opensWith(tracker, table, code, sent, numbers) {
				opened++
			}
		}
		most = max(most, opened)
	}
	if most > 3*strict || most < strict {
		t.Errorf("a stream opens %d sequences: want at most three times the %d of the strict rule", most, strict)
	}
	t.Logf("%d knocks open at most %d sequences, and %d by the strict rule", sent, most, strict)
}

// opensWith follows one stream by the rules alone, without the memory of sources.
func opensWith(t *Tracker, table *Table, code, sent, numbers int) bool {
	t.table = table
	var f further
	for i := range sent {
		k := knock{at: int64(i + 1), port: packet.Port{Proto: packet.TCP, Number: uint16(1 + code%numbers)}, from: uint16(i), seq: uint32(i)}
		code /= numbers
		if f.n >= 2 && t.repeats(&f, k) {
			continue
		}
		f.node = table.next(f.node, k.port)
		f.push(k, int(table.nodes[f.node].depth))
		if len(table.nodes[f.node].ends) > 0 {
			return true
		}
	}
	return false
}
