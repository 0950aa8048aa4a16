package spa_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
)

// inSTUN computes the request that carries a message, and its answer: sections 13
// and 14 of PROTOCOL.md, and RFC 8489.
func (v *vector) inSTUN(ctx context) {
	v.ICEPwd = base64.StdEncoding.EncodeToString(ctx.export("sallyport ice v1", 24))
	username := []byte(base64.RawStdEncoding.EncodeToString(v.Knock) + ":a1b2c3d4")
	padded := cat(username, make([]byte, -len(username)&3))
	v.STUNRequest = stunClosed(cat([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, v.Random.STUNID,
		[]byte{0, 6}, u(2, uint64(len(username))), padded,
		[]byte{0, 0x25, 0, 0},                             // USE-CANDIDATE
		[]byte{0, 0x24, 0, 4, 0x6e, 0x7f, 0x1e, 0xff},     // PRIORITY
		[]byte{0x80, 0x2a, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}), // ICE-CONTROLLING
		v.ICEPwd)
	const port = 40000
	family, mask := byte(1), []byte{0x21, 0x12, 0xa4, 0x42}
	if v.Answer.Source.Is6() {
		family, mask = 2, cat(mask, v.Random.STUNID)
	}
	address := v.Answer.Source.AsSlice()
	for i := range address {
		address[i] ^= mask[i]
	}
	value := cat([]byte{0, family}, u(2, port^0x2112), address)
	v.STUNAnswer = stunClosed(cat([]byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, v.Random.STUNID,
		[]byte{0, 0x20}, u(2, uint64(len(value))), value), v.ICEPwd)
}

// stunClosed adds MESSAGE-INTEGRITY and FINGERPRINT. Both are computed with a
// length that ends with them.
func stunClosed(message []byte, password string) []byte {
	length := func(more int) { copy(message[2:4], u(2, uint64(len(message)-20+more))) }
	length(24)
	h := hmac.New(sha1.New, []byte(password))
	h.Write(message)
	message = cat(message, []byte{0, 8, 0, 20}, h.Sum(nil))
	length(8)
	return cat(message, []byte{0x80, 0x28, 0, 4}, u(4, uint64(crc32.ChecksumIEEE(message)^0x5354554e)))
}

// makeEnrolVectors computes the file of section 14.
func makeEnrolVectors() vectors {
	const ms = 1935921600123
	out := vectors{Comment: "Test vectors of docs/PROTOCOL.md, section 14. The keys are public: never use them. Written by: go test ./internal/spa -run TestVectors -update"}
	point, _ := hex.DecodeString("036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296") // the base point
	for _, tc := range []struct {
		name string
		kind byte
		key  octets
	}{{"enrol an Ed25519 key", 1, octets(ed25519Public(fixedBytes("device", 32)))}, {"enrol a P-256 key", 2, point}} {
		v := vector{Name: tc.name, Suite: "x25519", Kind: tc.kind, NewKey: tc.key, ClientSeed: fixedBytes("invite", 32)}
		v.Request = request{Op: 3, Flags: 2, Time: ms}
		v.Answer = answer{Status: 4, Total: 1, Time: ms + 3, Source: vectorSource, Doors: []answerDoor{{doorID("ssh"), 0, 30}}}
		v.Random = random{R: fixedBytes("r "+tc.name, 8), X25519: fixedBytes("x25519 "+tc.name, 32), AckNonce: fixedBytes("ack "+tc.name, 12), STUNID: fixedBytes("stun "+tc.name, 12)}
		out.Vectors = append(out.Vectors, complete(v, vectorPrivate()))
	}
	return out
}
