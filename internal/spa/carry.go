package spa

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"sallyport/internal/key"
)

// Carried is a message that one gate has opened and hands to another: all that the
// client's proof covers, and the proof. The other one cannot open the message, and need
// not: it verifies the proof.
type Carried struct {
	Suite  key.Suite
	Header Header
	Proof  []byte

	front, enc, header []byte
}

// Carry returns the message for other gates.
func (m *Message) Carry() []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(m.Suite()))
	return slices.Concat(b, m.front, m.enc, m.header, m.Proof)
}

var errCarried = errors.New("not a message that a client would write")

// ParseCarried reads what Carry has written. Until its proof has been verified over
// Signed, everything in it is only claimed.
func ParseCarried(b []byte) (*Carried, error) {
	if len(b) < 2 {
		return nil, errCarried
	}
	c := &Carried{Suite: key.Suite(binary.BigEndian.Uint16(b))}
	if c.Suite != key.Hybrid && c.Suite != key.X25519 {
		return nil, errCarried
	}
	b = b[2:]
	before := frontSize + c.Suite.EncSize() + headerSize
	if len(b) < before || !within(proofSpans(c.Suite), len(b)-before) {
		return nil, errCarried
	}
	cut := func(n int) []byte { part := b[:n:n]; b = b[n:]; return part }
	c.front, c.enc, c.header = cut(frontSize), cut(c.Suite.EncSize()), cut(headerSize)
	c.Proof = b
	var err error
	if c.Header, err = parseHeader(c.header); err != nil || c.Header.Op != Open {
		return nil, errCarried
	}
	return c, nil
}

// Signed returns what the proof must have been made for, if the message was sealed to a
// server key and came from source, as Message.Signed does.
func (c *Carried) Signed(server key.Public, source netip.Addr) []byte {
	if !c.Header.Bound {
		source = netip.Addr{}
	}
	return signed(signedHead, server, c.front, c.enc, c.header, source)
}
