// Package stun reads the one kind of STUN request that carries a message, and
// writes the answer to it: docs/PROTOCOL.md, section 13, and RFC 8489. It is no
// STUN server: whatever a browser would not have sent is refused.
package stun

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// MinLength and MaxLength are the lengths of the requests, in bytes. None of them
// is that of a message without STUN.
const (
	MinLength = 268
	MaxLength = 332
)

// MaxMessage is the longest message that a request can carry, in bytes: 255
// characters, which is what browsers take.
const MaxMessage = 191

const (
	headerSize    = 20
	attributeHead = 4
	integritySize = attributeHead + sha1.Size
	fingerSize    = attributeHead + 4

	request  = 0x0001
	success  = 0x0101
	cookie   = 0x2112A442
	fingerIs = 0x5354554E

	username    = 0x0006
	integrity   = 0x0008
	mappedXor   = 0x0020
	fingerprint = 0x8028
)

// frontOffset is where in a request the first characters of the message stand.
const frontOffset = headerSize + attributeHead

// ID is the transaction of a request, which its answer repeats.
type ID [12]byte

// IsRequest reports whether a datagram begins as a request does, with a length that
// requests have. What does not is no STUN.
func IsRequest(b []byte) bool {
	return MinLength <= len(b) && len(b) <= MaxLength && len(b)%4 == 0 &&
		binary.BigEndian.Uint16(b) == request && int(binary.BigEndian.Uint16(b[2:])) == len(b)-headerSize &&
		binary.BigEndian.Uint32(b[4:]) == cookie
}

// Front decodes R and T, the first bytes of the message in a datagram that
// IsRequest.
func Front(b []byte) (front [12]byte, ok bool) {
	if !IsRequest(b) || binary.BigEndian.Uint16(b[headerSize:]) != username {
		return front, false
	}
	text := b[frontOffset : frontOffset+16]
	if bytes.IndexByte(text, '\r') >= 0 || bytes.IndexByte(text, '\n') >= 0 {
		return front, false
	}
	n, err := strict.Decode(front[:], text)
	return front, n == len(front) && err == nil
}

// Request is a request whose form is right. It is valid as long as its datagram.
type Request struct {
	raw  []byte
	text []byte // the message, in base64
}

// Parse reads a datagram that IsRequest. It allocates nothing.
func Parse(b []byte) (Request, bool) {
	if !IsRequest(b) {
		return Request{}, false
	}
	finger := len(b) - fingerSize
	whole := finger - integritySize
	name, next := attribute(b, headerSize, whole, username)
	text, _, has := bytes.Cut(name, []byte{':'})
	if !has || next == 0 || len(text) > base64.RawStdEncoding.EncodedLen(MaxMessage) {
		return Request{}, false
	}
	for next < whole {
		kind := binary.BigEndian.Uint16(b[next:])
		if kind == username || kind == integrity || kind == fingerprint {
			return Request{}, false
		}
		if _, next = attribute(b, next, whole, kind); next == 0 {
			return Request{}, false
		}
	}
	if value, _ := attribute(b, whole, finger, integrity); len(value) != sha1.Size {
		return Request{}, false
	}
	value, _ := attribute(b, finger, len(b), fingerprint)
	if len(value) != 4 || binary.BigEndian.Uint32(value) != fingerOf(b[:finger]) {
		return Request{}, false
	}
	return Request{raw: b, text: text}, true
}

// attribute returns the value of the attribute of a kind that begins at an offset,
// and where the next one begins; 0: there is none before the end.
func attribute(b []byte, at, end int, kind uint16) (value []byte, next int) {
	if at+attributeHead > end || binary.BigEndian.Uint16(b[at:]) != kind {
		return nil, 0
	}
	size := int(binary.BigEndian.Uint16(b[at+2:]))
	begin := at + attributeHead
	next = begin + (size+3)&^3
	if next > end {
		return nil, 0
	}
	for _, padding := range b[begin+size : next] {
		if padding != 0 {
			return nil, 0
		}
	}
	return b[begin : begin+size], next
}

func fingerOf(b []byte) uint32 { return crc32.ChecksumIEEE(b) ^ fingerIs }

var strict = base64.RawStdEncoding.Strict()

// Message decodes the message into a place for it. What has not exactly one way to
// be written is none. It allocates nothing.
func (r Request) Message(to *[MaxMessage + 1]byte) ([]byte, bool) {
	for _, c := range r.text { // the decoder skips line ends
		if c == '\r' || c == '\n' {
			return nil, false
		}
	}
	n, err := strict.Decode(to[:], r.text)
	return to[:n], err == nil
}

// ID returns the transaction.
func (r Request) ID() ID { return ID(r.raw[8:headerSize]) }

// Verify reports whether the request was made with a password.
func (r Request) Verify(password string) bool {
	at := len(r.raw) - fingerSize - integritySize
	var head [headerSize]byte
	copy(head[:], r.raw)
	binary.BigEndian.PutUint16(head[2:], uint16(at+integritySize-headerSize))
	return hmac.Equal(mac(password, head[:], r.raw[headerSize:at]), r.raw[at+attributeHead:at+integritySize])
}

func mac(password string, parts ...[]byte) []byte {
	h := hmac.New(sha1.New, []byte(password))
	for _, p := range parts {
		_, _ = h.Write(p)
	}
	return h.Sum(nil)
}

// Success writes the answer to a request: the address that it came from, made with
// a password.
func Success(id ID, from netip.AddrPort, password string) []byte {
	b := make([]byte, 0, headerSize+24+integritySize+fingerSize)
	b = binary.BigEndian.AppendUint16(b, success)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint32(b, cookie)
	b = append(b, id[:]...)
	mask := b[4:headerSize]

	address, family := from.Addr().Unmap().AsSlice(), byte(1)
	if len(address) == 16 {
		family = 2
	}
	for i := range address {
		address[i] ^= mask[i]
	}
	b = appendHead(b, mappedXor, 4+len(address))
	b = append(b, 0, family)
	b = binary.BigEndian.AppendUint16(b, from.Port()^cookie>>16)
	b = append(b, address...)

	setLength(b, integritySize)
	sum := mac(password, b)
	b = append(appendHead(b, integrity, sha1.Size), sum...)
	setLength(b, fingerSize)
	finger := fingerOf(b)
	return binary.BigEndian.AppendUint32(appendHead(b, fingerprint, 4), finger)
}

func appendHead(b []byte, kind, size int) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(kind))
	return binary.BigEndian.AppendUint16(b, uint16(size))
}

// setLength writes the length that a message has with what is still to come.
func setLength(b []byte, more int) {
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-headerSize+more))
}
