package spa

import (
	"encoding/base32"
	"fmt"
	"net/netip"

	"sallyport/internal/key"
)

// Enrolling (docs/PROTOCOL.md, section 14): the proof is the kind of the new key, the
// key, and a signature by the key of an invite that covers both.
const (
	enrolSignature = 64 // Ed25519

	KindEd25519 = 1 // 32 bytes
	KindP256    = 2 // a compressed point, 33 bytes
)

// isEnrolment reports whether a proof of this length enrols.
func isEnrolment(proof int) bool { return proof == 1+32+enrolSignature || proof == 1+33+enrolSignature }

// Enrolment returns what an enrolling message asks for: the new key, and the
// signature over Signed that the key of the invite must have made.
func (m *Message) Enrolment() (kind byte, newKey, signature []byte) {
	at := len(m.Proof) - enrolSignature
	return m.Proof[0], m.Proof[1:at], m.Proof[at:]
}

// Enrolling is a Prover for messages that enrol a key with an invite.
type Enrolling struct {
	Invite Prover // with the key of the invite
	Kind   byte
	Key    []byte
}

// ProofSize implements Prover.
func (e Enrolling) ProofSize() int { return 1 + len(e.Key) + e.Invite.ProofSize() }

// Prove implements Prover.
func (e Enrolling) Prove(message []byte) ([]byte, error) {
	what := append([]byte{e.Kind}, e.Key...)
	signature, err := e.Invite.Prove(append(message, what...))
	return append(what, signature...), err
}

// prove has the proof made for a message.
func prove(op Op, p Prover, server key.Public, front, enc, header []byte, bound netip.Addr) ([]byte, error) {
	if op == Enrol {
		return p.Prove(signed(enrolHead, server, front, enc, header, bound))
	}
	return p.Prove(signed(signedHead, server, front, enc, header, bound))
}

// Rotating is the text of the secret for rotating sequences that comes with an
// enrolment.
func (m *Message) Rotating() (string, error) { return rotating(m.recipient) }

// Rotating is the same for the new client.
func (s *Sealed) Rotating() (string, error) { return rotating(s.exporter) }

func rotating(e exporter) (string, error) {
	secret, err := e.Export("sallyport rotating v1", 20)
	if err != nil {
		return "", fmt.Errorf("derive the secret for rotating sequences: %w", err)
	}
	return base32.StdEncoding.EncodeToString(secret), nil
}
