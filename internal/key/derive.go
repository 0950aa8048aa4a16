package key

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// EpochLength is how long a moat key is in use. A recorded pair of R and T is
// worth something for no longer than that and the permitted clock error. It is
// long, so that most junk is compared with the tag of a single epoch.
const EpochLength = 1 << epochBits * time.Second

const epochBits = 9

// Labels of docs/PROTOCOL.md, "Keys from the server's public key".
const (
	extractSalt = "sallyport knock v1"
	veilLabel   = "veil"
	moatLabel   = "moat"
)

// Epoch returns the number of the epoch that holds t: whole epochs since 1970.
func Epoch(t time.Time) int64 { return t.Unix() >> epochBits }

func extract(wire []byte) ([]byte, error) {
	return hkdf.Extract(sha256.New, wire, []byte(extractSalt))
}

// Veil returns the key of the stream that makes a message look random.
func (p Public) Veil() [32]byte { return [32]byte(p.expand(veilLabel, 32)) }

// Moat returns the SipHash key of the tags of one epoch.
func (p Public) Moat(epoch int64) [16]byte { return p.Moats()(epoch) }

// Moats returns a function that does what Moat does, for a caller that needs the keys
// of many epochs: several times cheaper for each. One goroutine uses it.
func (p Public) Moats() func(epoch int64) [16]byte {
	// An Expand of one block (RFC 5869, section 2.3) is HMAC(prk, info ‖ 1),
	// and a HMAC that is used again does not hash its key again.
	h := hmac.New(sha256.New, p.prk)
	info := append([]byte(moatLabel), make([]byte, 8+1)...)
	info[len(info)-1] = 1
	var block [sha256.Size]byte
	return func(epoch int64) [16]byte {
		binary.BigEndian.PutUint64(info[len(moatLabel):], uint64(epoch))
		h.Reset()
		h.Write(info)
		return [16]byte(h.Sum(block[:0])[:16])
	}
}

// expand cannot fail: the sizes are constants within the limits of HKDF, and
// in FIPS mode the extracted key is long enough.
func (p Public) expand(label string, size int) []byte {
	out, err := hkdf.Expand(sha256.New, p.prk, label, size)
	if err != nil {
		panic("key: " + err.Error())
	}
	return out
}
