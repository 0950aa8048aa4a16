package sequence

import "math/bits"

// crowd remembers one knock of each of very many sources. It is laid out for a
// flood of sources that are never seen again: as in a processor's cache, a
// source can be in one of eight cells only, the keys of which share a line of
// memory, and a newcomer takes the place of the oldest there. So a knock costs
// two cache misses, and no bookkeeping, however many sources there are. Sources
// are known by a hash under a secret seed: that two of them share it is as
// likely as to guess a number below 2⁶³.
//
// Who is forgotten under a flood of λ sources a second is decided by lot: with
// n sets of cells, the chance that eight newcomers come to one of them within t
// is that of a Poisson variable of mean λt/n. Memory grows in use only.
type crowd struct {
	sets []set
	// turns holds, of each set, the cell that is taken next. They are apart
	// from the sets so that all of them stay in the processor's cache.
	turns []uint8
	cells []knock
	count int
}

// ways is how many cells there are in a set.
const ways = 8

// set holds the keys of the sources in a set's cells; 0 is a free cell.
type set [ways]uint64

// newCrowd returns a crowd of at least limit sources.
func newCrowd(limit int) *crowd {
	sets := 1 << bits.Len(uint(max(limit, ways)-1)/ways)
	return &crowd{sets: make([]set, sets), turns: make([]uint8, sets), cells: make([]knock, sets*ways)}
}

// place returns the set of the source with that hash, and its key.
func (c *crowd) place(hash uint64) (at int, key uint64) {
	return int(hash & uint64(len(c.sets)-1)), hash | 1<<63
}

// take returns the knock of a source, and forgets it.
func (c *crowd) take(hash uint64) (knock, bool) {
	at, key := c.place(hash)
	for i, k := range c.sets[at] {
		if k == key {
			c.sets[at][i] = 0
			c.count--
			return c.cells[at*ways+i], true
		}
	}
	return knock{}, false
}

// get returns the knock of a source.
func (c *crowd) get(hash uint64) (knock, bool) {
	at, key := c.place(hash)
	for i, k := range c.sets[at] {
		if k == key {
			return c.cells[at*ways+i], true
		}
	}
	return knock{}, false
}

// put remembers the knock of a source that is not there.
func (c *crowd) put(hash uint64, k knock) {
	at, key := c.place(hash)
	i := int(c.turns[at])
	c.turns[at] = uint8(i+1) % ways
	if c.sets[at][i] == 0 {
		c.count++
	}
	c.sets[at][i] = key
	c.cells[at*ways+i] = k
}

func (c *crowd) len() int { return c.count }
