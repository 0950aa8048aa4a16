package detect

import (
	"math"
	"math/bits"

	"sallyport/internal/event"
)

// window counts different ports: linear counting (Whang et al., 1990) over 64
// bits, or where it is not known which ports they were, the sum of all counts.
type window struct {
	bits  uint64
	since uint32
	sum   uint32 // contacts taken in
}

// add takes contacts in.
func (w *window) add(c event.Contacts, now uint32) {
	if w.sum == 0 {
		w.since = now
	}
	w.bits |= c.Seen
	w.sum = uint32(min(uint64(w.sum)+uint64(max(c.Ports, 1)), math.MaxUint32))
}

// merge takes in another window, which came later.
func (w *window) merge(o window) {
	if w.sum == 0 {
		w.since = o.since
	}
	w.bits |= o.bits
	w.sum = uint32(min(uint64(w.sum)+uint64(o.sum), math.MaxUint32))
}

// Someone who guesses sequences can do with fewer ports than a scan has, and
// with as few of their classes, if he sends them in all orders. An honest
// program that tries a closed port again and again tries one, or a few.
const (
	triedClasses = 9
	triedOften   = 1000
)

// tries reports whether so many contacts with so few ports are guesses.
func (w *window) tries(patience int) bool {
	return bits.OnesCount64(w.bits) >= triedClasses && int64(w.sum) >= int64(patience)*triedOften
}

// ports estimates how many different ports there were.
func (w *window) ports() int {
	if w.bits == 0 {
		return int(w.sum)
	}
	return min(int(math.Round(portsByBits[bits.OnesCount64(w.bits)])), int(w.sum))
}

// portsByBits holds how many ports make so many bits. With all of them set
// there is no telling; it is more than any threshold.
var portsByBits = func() (table [65]float64) {
	for n := range 64 {
		table[n] = -64 * math.Log(1-float64(n)/64)
	}
	table[64] = 400
	return table
}()
