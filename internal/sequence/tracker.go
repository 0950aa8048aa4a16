// Package sequence recognises ordered sequences of knocks.
//
// The rule is one sentence: a sequence is complete when the latest knocks of
// one source are exactly its knocks, in order, with nothing in between, and
// the first of them is no older than the sequence's limit. Everything else
// follows. A wrong knock throws progress away unless it begins a sequence
// itself; a port scan, ordered or shuffled, completes nothing; after a mistake
// the whole right sequence works at once; two sources never disturb each other.
//
// What is no knock is left out before that rule is applied: the copy of a knock
// already seen (a retransmitted SYN, a packet seen twice on a bridge), the repeat of
// a knock from another source port within two seconds, as browsers send it, and
// whatever a scanner sends, or someone who guesses. Contacts with doors and with public ports are not
// passed to the tracker at all.
//
// Memory is bounded whatever arrives, and a knock costs the same however many
// sequences and sources there are.
package sequence

import (
	"hash/maphash"
	"net/netip"
	"time"

	"sallyport/internal/packet"
)

// Limits says for how many sources progress is remembered. A source one knock
// in costs 33 bytes, one further in about 450.
type Limits struct {
	Begun   int // sources one knock in; default 524,288; a power of two times eight is made of it
	Further int // sources at least two knocks in; default 16,384
	Past    int // sources that have been two knocks in, with their latest knocks of 780 bytes; default 4,096
}

// Tracker follows the progress of every source. One goroutine uses it.
type Tracker struct {
	table   *Table
	epoch   time.Time
	begun   *crowd // those one knock in, the only state that a flood of spoofed first knocks can make
	further *sources[further]
	past    *sources[past]
	watch   watch
	seed    maphash.Seed // secret, so that nobody can choose who shares a place in the tables
	scratch further
	done    []int
	late    []int
}

// further is the state of a source at least two knocks in. The latest knock
// is knocks[n-1]; n is the depth of the node.
type further struct {
	node   int32
	n      int
	knocks [MaxKnocks]knock
}

// knock is what is kept of a packet: enough to know its copy, to measure the
// time limit, and to follow the sequence again in another table.
type knock struct {
	at   int64 // nanoseconds since the tracker's epoch
	port packet.Port
	from uint16 // source port
	seq  uint32
}

// copies reports whether two packets are the same one, seen twice.
func (k knock) copies(o knock) bool {
	return k.port == o.port && k.from == o.from && k.seq == o.seq
}

// Outcome is what one knock led to. The zero Outcome: nothing to tell.
type Outcome struct {
	Done    []int // sequences completed in time, as indexes; valid until the next call
	Late    []int // sequences completed too slowly; valid until the next call
	Broken  int   // how many right knocks in a row this wrong one ended
	Of      int   // with Broken: the length of the (shortest) sequence that they began
	Began   int   // with Broken: the index of that sequence
	Scanner bool  // by this knock the source became a scanner, or has guessed too often
	Ignored bool  // the source is such a one: nothing it sends counts
}

// New returns a tracker. Times before now are treated as now.
func New(table *Table, limits Limits, now time.Time) *Tracker {
	if limits.Begun == 0 {
		limits.Begun = 1 << 19
	}
	if limits.Further == 0 {
		limits.Further = 1 << 14
	}
	if limits.Past == 0 {
		limits.Past = 1 << 12
	}
	seed := maphash.MakeSeed()
	return &Tracker{
		table:   table,
		epoch:   now.Add(-time.Second), // so that no time is zero, which marks an empty cell
		begun:   newCrowd(limits.Begun),
		further: newSources[further](limits.Further),
		past:    newSources[past](limits.Past),
		watch:   watch{seed: seed},
		seed:    seed,
	}
}

// Observe takes one knock: a TCP SYN or UDP datagram to a closed port.
func (t *Tracker) Observe(now time.Time, p *packet.Packet) Outcome {
	if len(t.table.sequences) == 0 {
		return Outcome{}
	}
	s := sender{source: sourceOf(p.Src)}
	s.hash = maphash.Comparable(t.seed, s.source)
	k := knock{at: max(int64(now.Sub(t.epoch)), 1), port: p.Port(), from: p.SrcPort, seq: p.Seq}
	who := t.watch.suspect(s)
	if t.watch.ignores(who, k.at) {
		t.begun.take(s.hash)
		t.further.drop(s.source)
		return Outcome{Ignored: true}
	}
	if t.isOld(s, k) {
		return Outcome{}
	}
	if f := t.further.get(s.source); f != nil {
		if f.seen(k) {
			return Outcome{}
		}
		if t.repeats(f, k) {
			return Outcome{Scanner: t.watch.wrong(who, k.port, true, k.at)}
		}
		return t.step(s, who, f, inFurther, k)
	}
	f, was := &t.scratch, nowhere
	f.node, f.n = root, 0
	if first, ok := t.begun.get(s.hash); ok {
		if first.copies(k) {
			return Outcome{}
		}
		was = inBegun
		if f.node = t.table.next(root, first.port); f.node != root { // else the table has been replaced since
			f.n, f.knocks[0] = 1, first
		}
	}
	return t.step(s, who, f, was, k)
}

// stored says where a source's state is. Looking it up again costs a cache
// miss, which is most of what a flood of first knocks costs.
type stored uint8

const (
	nowhere stored = iota
	inBegun
	inFurther
)

// seen reports whether k is a copy of a knock that counts already. A TCP
// sequence number is random, so any earlier knock is recognised; UDP datagrams
// can honestly look alike, so only the latest is taken for the same one.
func (f *further) seen(k knock) bool {
	if k.port.Proto != packet.TCP {
		return f.knocks[f.n-1].copies(k)
	}
	for _, earlier := range f.knocks[:f.n] {
		if earlier.copies(k) {
			return true
		}
	}
	return false
}

// step moves a source, whose state so far is f, on by one knock.
func (t *Tracker) step(s sender, who suspect, f *further, was stored, k knock) Outcome {
	var o Outcome
	before := &t.table.nodes[f.node]
	f.node = t.table.next(f.node, k.port)
	at := &t.table.nodes[f.node]
	if at.depth <= before.depth {
		o.Broken, o.Of, o.Began = broken(before, at)
		again := len(before.ends) > 0 && at.depth > 0 // after a completed sequence
		o.Scanner = t.watch.wrong(who, k.port, !again, k.at)
	}
	f.push(k, int(at.depth))
	t.remember(s, f, k)
	t.complete(&o, f, at)
	t.keep(s, f, was)
	return o
}

// broken returns how much progress is lost on the way from one node to a
// shallower or equally deep one, and in which sequence. What comes after a completed sequence breaks
// nothing, and neither does beginning again after the first knock.
func broken(before, after *node) (broken, of, began int) {
	if len(before.ends) > 0 || after.depth == 1 && before.depth == 1 {
		return 0, 0, 0
	}
	return int(before.depth), int(before.of), int(before.begins)
}

// push appends a knock and keeps the latest depth of them.
func (f *further) push(k knock, depth int) {
	if kept := depth - 1; kept < f.n && kept >= 0 {
		copy(f.knocks[:kept], f.knocks[f.n-kept:f.n])
	}
	f.n = depth
	if depth > 0 {
		f.knocks[depth-1] = k
	}
}

func (t *Tracker) complete(o *Outcome, f *further, at *node) {
	if len(at.ends) == 0 {
		return
	}
	t.done, t.late = t.done[:0], t.late[:0]
	last := f.knocks[f.n-1].at
	for _, i := range at.ends {
		q := t.table.sequences[i]
		if last-f.knocks[f.n-len(q.Knocks)].at <= int64(q.Within) {
			t.done = append(t.done, int(i))
		} else {
			t.late = append(t.late, int(i))
		}
	}
	o.Done, o.Late = t.done, t.late
}

// keep stores the state where its size belongs. A state in further is changed
// in place; any other is put there again, as the youngest.
func (t *Tracker) keep(s sender, f *further, was stored) {
	if was == inBegun {
		t.begun.take(s.hash)
	}
	if f.n >= 2 {
		if was != inFurther {
			*t.further.put(s.source) = *f
		}
		return
	}
	first := f.knocks[0] // before f, which may be the stored one, goes
	if was == inFurther {
		t.further.drop(s.source)
	}
	if f.n == 1 {
		t.begun.put(s.hash, first)
	}
}

// Replace puts another table in the place of the present one. Progress in
// sequences that both hold is kept. It takes time in proportion to the sources
// that are at least two knocks in.
func (t *Tracker) Replace(table *Table) {
	t.table = table
	t.further.each(func(s source, f *further) {
		if f.follow(table); f.n < 2 {
			t.keep(sender{s, maphash.Comparable(t.seed, s)}, f, inFurther)
		}
	})
}

// follow finds the node of the kept knocks in another table.
func (f *further) follow(table *Table) {
	knocks := f.knocks
	n := f.n
	f.node, f.n = root, 0
	for _, k := range knocks[:n] {
		f.node = table.next(f.node, k.port)
		f.push(k, int(table.nodes[f.node].depth))
	}
}

// Forget throws the progress of a source away.
func (t *Tracker) Forget(a netip.Addr) {
	s := sourceOf(a)
	t.begun.take(maphash.Comparable(t.seed, s))
	t.further.drop(s)
	t.past.drop(s)
}

// Sources returns for how many sources progress is remembered.
func (t *Tracker) Sources() int { return t.begun.len() + t.further.len() }
