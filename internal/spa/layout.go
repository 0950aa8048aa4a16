package spa

import (
	"fmt"
	"net/netip"

	"golang.org/x/crypto/chacha20"

	"sallyport/internal/key"
)

// The layout of a datagram: R, T, then the veiled encapsulation and ciphertext.
const (
	nonceSize = 8 // R
	tagSize   = 4 // T
	frontSize = nonceSize + tagSize
	sealSize  = 16 // Poly1305

	knockInfo  = "sallyport knock v1"
	signedHead = "sallyport knock v1 proof\x00"
	enrolHead  = "sallyport enrol v1 proof\x00"
)

// Span is a range of datagram lengths in bytes, both ends included.
type Span struct{ First, Last int }

// proofSpans lists the sizes of the proofs that a suite takes. The hybrid suite
// takes those of Ed25519 keys (64, and 69 for FIDO2): with anything longer its
// messages would be fragmented on links with the smallest MTU of IPv6.
func proofSpans(s key.Suite) []Span {
	switch s {
	case key.Hybrid:
		return hybridProofs
	case key.X25519:
		return x25519Proofs
	}
	return nil
}

var (
	hybridProofs = []Span{{64, 64}, {69, 69}}
	x25519Proofs = []Span{{64, 64}, {69, 70}, {96, 98}, {132, 132}, {256, 512}} // ECDSA P-256, passkeys (70), P-384, P-521; RSA; 97 and 98 enrol
)

// overhead is what a message has beside its proof.
func overhead(s key.Suite) int { return frontSize + s.EncSize() + sealSize + headerSize }

// within reports whether one of the spans holds a length.
func within(spans []Span, length int) bool {
	for _, span := range spans {
		if span.First <= length && length <= span.Last {
			return true
		}
	}
	return false
}

// Lengths returns the lengths that messages of a suite can have, ascending.
func Lengths(s key.Suite) []Span {
	var out []Span
	for _, span := range proofSpans(s) {
		out = append(out, Span{span.First + overhead(s), span.Last + overhead(s)})
	}
	return out
}

// Length returns how long a message with a proof of this size is. The error
// says that such a proof does not fit the suite.
func Length(s key.Suite, proof int) (int, error) {
	if within(proofSpans(s), proof) {
		return overhead(s) + proof, nil
	}
	if within(x25519Proofs, proof) {
		return 0, fmt.Errorf("a proof of %d bytes does not fit into messages of the suite %v: use an Ed25519 key, or a server key of the suite %v", proof, s, key.X25519)
	}
	return 0, fmt.Errorf("no SSH key has proofs of %d bytes", proof)
}

// veil covers or uncovers what follows R and T: it is its own inverse.
func veil(veilKey *[32]byte, front, dst, src []byte) {
	c, err := chacha20.NewUnauthenticatedCipher(veilKey[:], front)
	if err != nil {
		panic("spa: " + err.Error()) // key and nonce have the right sizes
	}
	c.XORKeyStream(dst, src)
}

// appendAddress writes an address as 16 bytes, IPv4 mapped into IPv6, and no
// address as zeros.
func appendAddress(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, make([]byte, 16)...)
	}
	raw := a.As16()
	return append(b, raw[:]...)
}

func address(b []byte) netip.Addr {
	raw := [16]byte(b)
	if raw == [16]byte{} {
		return netip.Addr{}
	}
	return netip.AddrFrom16(raw).Unmap()
}

// signed is the message that a proof is made for: everything that says which
// request this is, to which server, from where.
func signed(head string, server key.Public, front, enc, header []byte, source netip.Addr) []byte {
	hash := server.Hash()
	b := make([]byte, 0, len(head)+len(hash)+len(front)+len(enc)+len(header)+16)
	b = append(b, head...)
	b = append(b, hash[:]...)
	b = append(b, front...)
	b = append(b, enc...)
	b = append(b, header...)
	return appendAddress(b, source)
}
