package spa

import (
	"encoding/binary"
	"time"

	"github.com/dchest/siphash"

	"sallyport/internal/key"
)

// moat is a moat key as SipHash takes it.
type moat [2]uint64

func newMoat(k [16]byte) moat {
	return moat{binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])}
}

// tag returns T for R, as the number whose little-endian bytes are sent.
func (m moat) tag(nonce []byte) uint32 { return uint32(siphash.Hash(m[0], m[1], nonce)) }

// window holds the moat keys of consecutive epochs of one server key.
type window struct {
	first int64
	moats []moat
}

// cover makes the window hold exactly the epochs within skew of now. It
// derives only what it did not hold before.
func (w *window) cover(server key.Public, now time.Time, skew time.Duration) {
	first, last := epochs(now, skew)
	count := int(last - first + 1)
	if w.first == first && len(w.moats) == count {
		return
	}
	moats, derive := make([]moat, count), server.Moats()
	for i := range moats {
		epoch := first + int64(i)
		if old := epoch - w.first; old >= 0 && old < int64(len(w.moats)) {
			moats[i] = w.moats[old]
		} else {
			moats[i] = newMoat(derive(epoch))
		}
	}
	w.first, w.moats = first, moats
}

// find returns the epoch whose tag of R is T.
func (w *window) find(front []byte) (epoch int64, ok bool) {
	nonce, tag := front[:nonceSize], binary.LittleEndian.Uint32(front[nonceSize:frontSize])
	for i, m := range w.moats {
		if m.tag(nonce) == tag {
			return w.first + int64(i), true
		}
	}
	return 0, false
}

// epochs returns the first and last epoch within skew of a time.
func epochs(now time.Time, skew time.Duration) (first, last int64) {
	return key.Epoch(now.Add(-skew)), key.Epoch(now.Add(skew))
}
