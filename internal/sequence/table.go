package sequence

import (
	"slices"
	"time"

	"sallyport/internal/packet"
)

// MaxKnocks is the longest sequence that a Table takes.
const MaxKnocks = 16

// Sequence is an ordered list of knocks with a limit for the whole of it:
// from the arrival of the first knock to that of the last.
type Sequence struct {
	Knocks []packet.Port // 1 to MaxKnocks
	Within time.Duration
}

// Table is a set of sequences compiled for lookup: an Aho–Corasick automaton
// (Aho and Corasick, CACM 18(6), 1975) over knocks. Its node is the longest
// run of latest knocks that begins a sequence, so finding the candidates for a
// knock costs the same for one door and for ten thousand. A Table does not
// change and can be shared.
type Table struct {
	sequences []Sequence
	edges     map[edge]int32
	nodes     []node
}

type edge struct {
	from int32
	port packet.Port
}

type node struct {
	fail   int32   // node of the longest proper suffix that begins a sequence
	depth  uint8   // knocks on the way from the root
	of     uint8   // length of the shortest sequence that this node begins
	begins int32   // which one that is; of equally long ones, the first
	twice  bool    // a sequence that this node begins names a port twice
	ends   []int32 // sequences complete here, those of the suffixes included
}

const root = 0

// Compile builds the table. Results name sequences by their index in the
// argument. It panics if a sequence is empty or longer than MaxKnocks, which
// the configuration has refused before.
func Compile(sequences []Sequence) *Table {
	t := &Table{sequences: sequences, edges: make(map[edge]int32), nodes: make([]node, 1)}
	for i, s := range sequences {
		t.add(int32(i), s)
	}
	t.link()
	return t
}

func (t *Table) add(index int32, s Sequence) {
	if len(s.Knocks) == 0 || len(s.Knocks) > MaxKnocks {
		panic("sequence: a sequence has 1 to 16 knocks")
	}
	at, length, twice := int32(root), uint8(len(s.Knocks)), s.twice()
	for depth, port := range s.Knocks {
		next, ok := t.edges[edge{at, port}]
		if !ok {
			next = int32(len(t.nodes))
			t.nodes = append(t.nodes, node{depth: uint8(depth + 1), of: length, begins: index})
			t.edges[edge{at, port}] = next
		}
		at = next
		if n := &t.nodes[at]; length < n.of {
			n.of, n.begins = length, index
		}
		t.nodes[at].twice = t.nodes[at].twice || twice
	}
	t.nodes[at].ends = append(t.nodes[at].ends, index)
}

// twice reports whether the sequence names a port twice.
func (s Sequence) twice() bool {
	for i, p := range s.Knocks {
		if slices.Contains(s.Knocks[:i], p) {
			return true
		}
	}
	return false
}

// link sets the suffix links. Nodes are visited by depth, so that the node a
// link leads to is complete before it is used.
func (t *Table) link() {
	var byDepth [MaxKnocks + 1][]edge
	for e, to := range t.edges {
		depth := t.nodes[to].depth
		byDepth[depth] = append(byDepth[depth], e)
	}
	for _, edges := range byDepth[2:] {
		for _, e := range edges {
			n := &t.nodes[t.edges[e]]
			n.fail = t.next(t.nodes[e.from].fail, e.port)
			n.ends = append(n.ends, t.nodes[n.fail].ends...)
		}
	}
}

// next returns the node after one more knock: the longest run of knocks ending
// in this one that begins a sequence.
func (t *Table) next(at int32, port packet.Port) int32 {
	for {
		if to, ok := t.edges[edge{at, port}]; ok {
			return to
		}
		if at == root {
			return root
		}
		at = t.nodes[at].fail
	}
}
