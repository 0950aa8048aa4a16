// Package spent remembers which rotating steps and one-time sequences have
// opened a door, so that none does twice: a Guard in memory for a caller that
// decides, a Store in a file for the next start.
//
// Numbers only grow: once a client has used a step for a door, that step and
// all earlier ones are used, whatever the clock says later. What the Store
// could not record must open nothing. A step is recorded by a plain write, which survives any
// death of the process, below a ceiling that is on the disk before: after a loss of power every
// step up to it is used. Where the file is lost or damaged, a floor takes the place of the
// records: every step up to it is used, and it rises when the clock is set forward.
//
// What remains: a file replaced by an older copy of itself is believed, and after the loss
// of the file a clock that is late and runs on comes to the steps of before.
package spent

import (
	"bytes"
	"crypto/sha256"
	"strconv"
	"time"

	"sallyport/internal/clock"
	"sallyport/internal/packet"
	"sallyport/internal/weak"
)

// Record says that something has been used. It compares with ==.
type Record struct {
	key    [16]byte
	number int64
	once   bool // a one-time sequence, to which floors mean nothing
}

// Step is the record of a client that uses a rotating step for a door.
func Step(client, door string, step int64) Record {
	return Record{key: hash("step", client, door), number: step}
}

// IsStep returns the name of a client's steps for a door, and the step; false: the record
// is one of a one-time sequence.
func (r Record) IsStep() (name [16]byte, step int64, ok bool) { return r.key, r.number, !r.once }

// Sequence is the record of a one-time sequence of a door.
func Sequence(door string, knocks []packet.Port) Record {
	words := make([]string, 0, 2+len(knocks))
	words = append(words, "sequence", door)
	for _, k := range knocks {
		words = append(words, k.String())
	}
	return Record{key: hash(words...), number: 1, once: true}
}

// hash tells lists of words apart, wherever they are divided.
func hash(words ...string) [16]byte {
	var b bytes.Buffer
	for _, w := range words {
		b.WriteString(strconv.Quote(w))
	}
	sum := sha256.Sum256(b.Bytes())
	return [16]byte(sum[:16])
}

// Guard knows what has been used. It is to be used by one goroutine at a time.
type Guard struct {
	floor   int64
	lost    bool // there are, or were, records that it does not know
	damaged bool
	clock   clock.Watch
	highest map[[16]byte]int64
}

// Look tells the guard the time, and the step that it is. Where records were lost and
// the clock has been set forward since the last look, every step up to the next one is used.
func (g *Guard) Look(now time.Time, step int64) {
	if g.clock.Forward(now) && g.lost {
		g.floor = max(g.floor, step+1)
	}
}

// Used reports whether it must not be used again.
func (g *Guard) Used(r Record) bool {
	n, used := g.highest[r.key]
	return !weak.Steps && (used && r.number <= n || !r.once && r.number <= g.floor)
}

// Use marks as used what has not been used before, and reports whether that was
// so.
func (g *Guard) Use(r Record) bool {
	if g.Used(r) {
		return false
	}
	g.highest[r.key] = r.number
	return true
}

// Damaged reports whether the record of a one-time sequence may have been lost:
// those that are there now had better count as used.
func (g *Guard) Damaged() bool { return g.damaged }

// Floor is the step up to which every step counts as used.
func (g *Guard) Floor() int64 { return g.floor }
