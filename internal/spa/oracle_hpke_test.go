package spa_test

import (
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"math/bits"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

// This file holds the primitives of the oracle: HKDF, SipHash and HPKE, from
// their specifications.

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func mac(k []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, k)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// RFC 5869, section 2.
func extract(salt, ikm []byte) []byte { return mac(salt, ikm) }

func expand(prk, info []byte, n int) []byte {
	var out, block []byte
	for i := byte(1); len(out) < n; i++ {
		block = mac(prk, block, info, []byte{i})
		out = append(out, block...)
	}
	return out[:n]
}

// sip is SipHash-2-4 of a message of exactly eight bytes (Aumasson and
// Bernstein, section 2).
func sip(k, m []byte) []byte {
	k0, k1 := binary.LittleEndian.Uint64(k), binary.LittleEndian.Uint64(k[8:])
	v0, v1, v2, v3 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d, k0^0x6c7967656e657261, k1^0x7465646279746573
	rounds := func(n int) {
		for range n {
			v0 += v1
			v2 += v3
			v1 = bits.RotateLeft64(v1, 13) ^ v0
			v3 = bits.RotateLeft64(v3, 16) ^ v2
			v0 = bits.RotateLeft64(v0, 32)
			v2 += v1
			v0 += v3
			v1 = bits.RotateLeft64(v1, 17) ^ v2
			v3 = bits.RotateLeft64(v3, 21) ^ v0
			v2 = bits.RotateLeft64(v2, 32)
		}
	}
	for _, word := range []uint64{binary.LittleEndian.Uint64(m), 8 << 56} {
		v3 ^= word
		rounds(2)
		v0 ^= word
	}
	v2 ^= 0xff
	rounds(4)
	return binary.LittleEndian.AppendUint64(nil, v0^v1^v2^v3)
}

// kem is a KEM of the protocol.
type kem struct {
	id                  uint16
	publicSize, encSize int
	public              func(private []byte) []byte
	encapsulate         func(public, ephemeral, coins []byte) (secret, enc []byte)
	decapsulate         func(private, enc []byte) (secret []byte)
}

var kems = map[string]kem{
	"x25519":          {0x0020, 32, 32, x25519Public, dhEncapsulate, dhDecapsulate},
	"mlkem768-x25519": {0x647a, 1216, 1120, hybridPublic, hybridEncapsulate, hybridDecapsulate},
}

func x25519Public(private []byte) []byte {
	return must(ecdh.X25519().NewPrivateKey(private)).PublicKey().Bytes()
}

func dh(private, public []byte) []byte {
	return must(must(ecdh.X25519().NewPrivateKey(private)).ECDH(must(ecdh.X25519().NewPublicKey(public))))
}

// RFC 9180, section 4.1.
func dhSecret(shared, enc, public []byte) []byte {
	suite := []byte{'K', 'E', 'M', 0x00, 0x20}
	prk := labeledExtract(suite, nil, "eae_prk", shared)
	return labeledExpand(suite, prk, "shared_secret", cat(enc, public), 32)
}

func dhEncapsulate(public, ephemeral, _ []byte) ([]byte, []byte) {
	enc := x25519Public(ephemeral)
	return dhSecret(dh(ephemeral, public), enc, public), enc
}

func dhDecapsulate(private, enc []byte) []byte {
	return dhSecret(dh(private, enc), enc, x25519Public(private))
}

// The hybrid KEM, section 2 of PROTOCOL.md.
func hybridPrivate(seed []byte) (*mlkem.DecapsulationKey768, []byte) {
	s := sha3.SumSHAKE256(seed, 96)
	return must(mlkem.NewDecapsulationKey768(s[:64])), s[64:]
}

func hybridPublic(seed []byte) []byte {
	pq, x := hybridPrivate(seed)
	return cat(pq.EncapsulationKey().Bytes(), x25519Public(x))
}

func hybridSecret(pq, x, ephemeral, public []byte) []byte {
	sum := sha3.Sum256(cat(pq, x, ephemeral, public, []byte{0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c}))
	return sum[:]
}

func hybridEncapsulate(public, ephemeral, coins []byte) ([]byte, []byte) {
	pq, ct, err := mlkemtest.Encapsulate768(must(mlkem.NewEncapsulationKey768(public[:1184])), coins)
	if err != nil {
		panic(err)
	}
	x := x25519Public(ephemeral)
	return hybridSecret(pq, dh(ephemeral, public[1184:]), x, public[1184:]), cat(ct, x)
}

func hybridDecapsulate(seed, enc []byte) []byte {
	pq, x := hybridPrivate(seed)
	return hybridSecret(must(pq.Decapsulate(enc[:1088])), dh(x, enc[1088:]), enc[1088:], x25519Public(x))
}

// RFC 9180, section 4.
func labeledExtract(suite, salt []byte, label string, ikm []byte) []byte {
	return extract(salt, cat([]byte("HPKE-v1"), suite, []byte(label), ikm))
}

func labeledExpand(suite, prk []byte, label string, info []byte, n int) []byte {
	return expand(prk, cat([]byte{byte(n >> 8), byte(n)}, []byte("HPKE-v1"), suite, []byte(label), info), n)
}

// context is what RFC 9180, section 5.1, derives.
type context struct{ suite, key, nonce, exporter []byte }

func schedule(kemID uint16, secret []byte, info string) context {
	suite := []byte{'H', 'P', 'K', 'E', byte(kemID >> 8), byte(kemID), 0, 1, 0, 3}
	ks := cat([]byte{0}, labeledExtract(suite, nil, "psk_id_hash", nil), labeledExtract(suite, nil, "info_hash", []byte(info)))
	s := labeledExtract(suite, secret, "secret", nil)
	return context{
		suite:    suite,
		key:      labeledExpand(suite, s, "key", ks, 32),
		nonce:    labeledExpand(suite, s, "base_nonce", ks, 12),
		exporter: labeledExpand(suite, s, "exp", ks, 32),
	}
}

func (c context) export(purpose string, n int) []byte {
	return labeledExpand(c.suite, c.exporter, "sec", []byte(purpose), n)
}

func box(k, nonce, plain, aad []byte) []byte {
	return must(chacha20poly1305.New(k)).Seal(nil, nonce, plain, aad)
}

func unbox(k, nonce, sealed, aad []byte) ([]byte, error) {
	return must(chacha20poly1305.New(k)).Open(nil, nonce, sealed, aad)
}
