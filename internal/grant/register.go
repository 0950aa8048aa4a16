package grant

import (
	"encoding/binary"
	"net/netip"
	"time"

	"sallyport/internal/event"
)

// RegisterName is the name of the register's file in state_dir.
const RegisterName = "owners"

// Register keeps whose grants are, and until when, for the next process: the
// kernel knows one name and one end for each source and door. Ends are written as
// time since the boot, which no setting of the clock moves. It holds a bounded
// number; a grant that is not in it has an unknown owner after a restart.
type Register struct {
	slots *slots
	clock func() time.Duration
	kept  []kept // of an earlier process
}

// kept is a part of a grant that an earlier process has written.
type kept struct {
	grant event.Grant
	slot  int
	owed  bool // its end is one that the kernel may not have been told
}

const (
	registerMagic = "SPOWNER2"
	registerLimit = 1 << 16

	longestDoor   = 32
	longestClient = 64
	// end 8 · message 8 · proof 8 · holder 1 · what it is 1 · prefix 1 · address 1+16 · names with their lengths
	partLen    = 8 + 8 + 8 + 3 + 17 + 1 + longestDoor + 1 + longestClient
	recordSize = 1 + partLen + 4

	// What a part is.
	isSingle = 1 << 0
	isOwed   = 1 << 1
)

// OpenRegister opens the register at path, and makes it if there is none. Boot
// names this run of the machine, and clock is how long it has lasted. The book says
// what is wrong with it.
func OpenRegister(path, boot string, clock func() time.Duration, now time.Time) *Register {
	r := &Register{clock: clock}
	booted := now.Add(-clock())
	r.slots = openSlots(path, registerMagic, boot, recordSize, registerLimit, func(slot int, content []byte) bool {
		g, owed, ok := readPart(content, booted)
		if ok = ok && (owed || g.Until.After(now)); ok {
			r.kept = append(r.kept, kept{g, slot, owed})
		}
		return ok
	})
	return r
}

// Close closes the file.
func (r *Register) Close() error {
	if r == nil {
		return nil
	}
	return r.slots.close()
}

// put writes a part where it has its place.
func (r *Register) put(p part, now time.Time) {
	if r == nil {
		return
	}
	g := p.due()
	end := r.clock() + g.Until.Sub(now)
	r.slots.put(p.slot, func(content []byte) { writePart(content, g, end, p.owed != nil) })
}

func (r *Register) take() int {
	if r == nil {
		return noSlot
	}
	return r.slots.take()
}

func (r *Register) drop(slot int, over bool) {
	if r != nil {
		r.slots.drop(slot, over)
	}
}

// writePart fills a record.
func writePart(b []byte, g event.Grant, end time.Duration, owed bool) {
	binary.BigEndian.PutUint64(b, uint64(end))
	copy(b[8:16], g.Message[:])
	copy(b[16:24], g.Proof[:])
	b[24] = byte(g.Holder)
	if g.Single {
		b[25] |= isSingle
	}
	if owed {
		b[25] |= isOwed
	}
	b[26] = byte(g.Prefix)
	source := g.Source.Unmap().WithZone("").AsSlice()
	b[27] = byte(len(source))
	copy(b[28:44], source)
	b[44] = byte(copy(b[45:45+longestDoor], g.Door))
	b[77] = byte(copy(b[78:78+longestClient], g.Client))
}

// readPart is the inverse of writePart; it accepts nothing else.
func readPart(b []byte, booted time.Time) (g event.Grant, owed, ok bool) {
	if len(b) != partLen || b[44] > longestDoor || b[77] > longestClient || b[27] > 16 || b[25] > isSingle|isOwed || event.Holder(b[24]) > event.Anyone {
		return g, false, false
	}
	source, ok := netip.AddrFromSlice(b[28 : 28+int(b[27])])
	g = event.Grant{
		Door: string(b[45 : 45+int(b[44])]), Client: string(b[78 : 78+int(b[77])]), Source: source, Prefix: int(b[26]),
		Single: b[25]&isSingle != 0, Holder: event.Holder(b[24]), Message: event.Message(b[8:16]), Proof: event.Proof(b[16:24]),
	}
	end := time.Duration(binary.BigEndian.Uint64(b))
	g.Until, owed = booted.Add(end), b[25]&isOwed != 0
	again := make([]byte, partLen)
	writePart(again, g, end, owed)
	return g, owed, ok && g.From().IsValid() && string(again) == string(b)
}
