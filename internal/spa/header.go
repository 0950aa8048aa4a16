package spa

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Op is what a client asks for.
type Op uint8

// The operations.
const (
	Open  Op = 1 // open a door
	Close Op = 2 // give the grant back
	Enrol Op = 3 // take the key in the proof for a client's
	Ask   Op = 4 // have an operator let this address in; never answered
)

// String returns "open", "close", "enrol" or "ask".
func (o Op) String() string {
	switch o {
	case Open:
		return "open"
	case Close:
		return "close"
	case Enrol:
		return "enrol"
	case Ask:
		return "ask"
	}
	return fmt.Sprintf("op %d", uint8(o))
}

// Header is the request in a message.
type Header struct {
	Op      Op
	Bound   bool // the proof names the source address; Seal sets it
	Ack     bool // an acknowledgement is wanted
	Single  bool // the grant is to let in one connection only; with Open only
	Client  [6]byte
	Door    [4]byte // see DoorID; zero: the client's default doors
	Time    time.Time
	Seconds uint16 // how long the door is to stay open; 0: as long as usual; with Open only
}

// DoorID is how messages name a door: the first four bytes of the SHA-256 of
// its name.
func DoorID(name string) [4]byte {
	sum := sha256.Sum256([]byte(name))
	return [4]byte(sum[:4])
}

// Fresh reports whether the header is stamped no further than skew from now.
func (h Header) Fresh(now time.Time, skew time.Duration) bool {
	return h.Time.Sub(now).Abs() <= skew
}

const (
	headerSize = 20

	flagBound  = 1 << 0
	flagAck    = 1 << 1
	flagSingle = 1 << 2
	allFlags   = flagBound | flagAck | flagSingle
)

var errHeader = errors.New("not a header that a client would write")

// check says what a header must be like for anybody to write it.
func (h Header) check() error {
	switch {
	case h.Op < Open || h.Op > Ask:
		return fmt.Errorf("unknown %v: want %v, %v, %v or %v", h.Op, Open, Close, Enrol, Ask)
	case h.Op == Enrol && h.Door != [4]byte{}:
		return errors.New("enrolling is for no door")
	case h.Op != Open && (h.Single || h.Seconds != 0):
		return fmt.Errorf("%v takes no time and no single connection", h.Op)
	case h.Op == Ask && h.Ack:
		return errors.New("nobody answers who asks to be let in")
	case h.Time.UnixMilli() < 0 || h.Time.UnixMilli() >= 1<<48:
		return fmt.Errorf("time %v is out of range: set the clock", h.Time)
	}
	return nil
}

// append writes a header that check likes.
func (h Header) append(b []byte) []byte {
	flags := bit(h.Bound, flagBound) | bit(h.Ack, flagAck) | bit(h.Single, flagSingle)
	b = append(b, byte(h.Op), flags)
	b = append(b, h.Client[:]...)
	b = append(b, h.Door[:]...)
	b = appendMillis(b, h.Time)
	return binary.BigEndian.AppendUint16(b, h.Seconds)
}

// parseHeader reads what append writes.
func parseHeader(b []byte) (Header, error) {
	if len(b) != headerSize || b[1]&^allFlags != 0 {
		return Header{}, errHeader
	}
	h := Header{
		Op:      Op(b[0]),
		Bound:   b[1]&flagBound != 0,
		Ack:     b[1]&flagAck != 0,
		Single:  b[1]&flagSingle != 0,
		Client:  [6]byte(b[2:8]),
		Door:    [4]byte(b[8:12]),
		Time:    millis(b[12:18]),
		Seconds: binary.BigEndian.Uint16(b[18:20]),
	}
	if h.check() != nil {
		return Header{}, errHeader
	}
	return h, nil
}

// appendMillis writes milliseconds since 1970 in six bytes.
func appendMillis(b []byte, t time.Time) []byte {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(t.UnixMilli()))
	return append(b, ms[2:]...)
}

func millis(b []byte) time.Time {
	var ms [8]byte
	copy(ms[2:], b)
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))).UTC()
}
