// Package stuntest makes STUN requests as browsers do, byte for byte, for tests.
package stuntest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// Browser writes requests in one browser's way.
type Browser struct {
	own    string // what follows the colon
	before []byte // attributes after USERNAME
}

// Firefox and Chromium, as measured.
var (
	Firefox = Browser{"a1b2c3d4", slices.Concat(
		[]byte{0, 0x25, 0, 0}, []byte{0, 0x24, 0, 4, 0x6e, 0x7f, 0x1e, 0xff}, []byte{0x80, 0x2a, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8})}
	Chromium = Browser{"aB1+", slices.Concat(
		[]byte{0xc0, 0x57, 0, 4, 0, 1, 0, 10}, []byte{0x80, 0x2a, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}, []byte{0, 0x24, 0, 4, 0x6e, 0x7f, 0x1e, 0xff})}
)

// Request makes a request that carries a message, with a transaction id of its own.
func (b Browser) Request(message []byte, password string) []byte {
	return b.Text(base64.RawStdEncoding.EncodeToString(message), password)
}

// Text makes a request with any text in the place of the message.
func (b Browser) Text(text, password string) []byte {
	id := make([]byte, 12)
	rand.Read(id)
	name := text + ":" + b.own
	r := slices.Concat([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, id, []byte{0, 6}, binary.BigEndian.AppendUint16(nil, uint16(len(name))),
		[]byte(name), make([]byte, -len(name)&3), b.before)
	return Close(r, password)
}

// Close ends a request with its integrity and fingerprint.
func Close(r []byte, password string) []byte {
	length := func(more int) { binary.BigEndian.PutUint16(r[2:], uint16(len(r)-20+more)) }
	length(24)
	h := hmac.New(sha1.New, []byte(password))
	h.Write(r)
	r = append(append(r, 0, 8, 0, 20), h.Sum(nil)...)
	length(8)
	return binary.BigEndian.AppendUint32(append(r, 0x80, 0x28, 0, 4), crc32.ChecksumIEEE(r)^0x5354554e)
}

// IsSuccess reports whether an answer was made with the password, for this
// request.
func IsSuccess(answer, request []byte, password string) bool {
	if len(answer) < 64 || binary.BigEndian.Uint16(answer) != 0x0101 || string(answer[4:20]) != string(request[4:20]) {
		return false
	}
	return string(Close(slices.Clone(answer[:len(answer)-32]), password)) == string(answer)
}
