package spa

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"sallyport/internal/key"
)

// Prover makes proofs with one client key: signatures as package sshauth
// makes them.
type Prover interface {
	ProofSize() int                       // bytes of each proof
	Prove(message []byte) ([]byte, error) // may ask the user, so it may take long
}

// Sealed is a message on its way: what to send, and what opens the answer.
type Sealed struct {
	Datagram []byte
	ackKey   []byte
	exporter exporter
}

// exporter is an HPKE context, of either side.
type exporter interface {
	Export(context string, length int) ([]byte, error)
}

// Seal makes a message. If bound is valid it names the address that the server
// will see it come from, and the message is worthless from any other. A message
// serves once: make a new one to try again.
func Seal(server key.Public, h Header, bound netip.Addr, p Prover) (*Sealed, error) {
	s, err := seal(server, h, bound, p)
	if err != nil {
		return nil, fmt.Errorf("seal a knock: %w", err)
	}
	return s, nil
}

func seal(server key.Public, h Header, bound netip.Addr, p Prover) (*Sealed, error) {
	if server.IsZero() {
		return nil, errors.New("there is no server key")
	}
	length, err := Length(server.Suite(), p.ProofSize())
	if err != nil {
		return nil, err
	}
	bound = bound.Unmap()
	h.Bound = bound.IsValid()
	if err := h.check(); err != nil {
		return nil, err
	}
	if (h.Op == Enrol) != isEnrolment(p.ProofSize()) {
		return nil, fmt.Errorf("a proof of %d bytes does not %v", p.ProofSize(), h.Op)
	}
	if bound.Zone() != "" || bound.IsUnspecified() {
		return nil, fmt.Errorf("cannot be bound to the address %v: want one that the server can see", bound)
	}
	enc, sender, err := server.Encapsulate([]byte(knockInfo))
	if err != nil {
		return nil, err
	}

	datagram := make([]byte, 0, length)
	datagram = appendFront(datagram, server, h)
	front, header := datagram[:frontSize:frontSize], h.append(nil)
	proof, err := prove(h.Op, p, server, front, enc, header, bound)
	if err != nil {
		return nil, err
	}
	if len(proof) != p.ProofSize() {
		return nil, fmt.Errorf("the proof has %d bytes: want %d", len(proof), p.ProofSize())
	}
	ct, err := sender.Seal(front, append(header, proof...))
	if err != nil {
		return nil, err
	}
	datagram = append(append(datagram, enc...), ct...)
	veilKey := server.Veil()
	veil(&veilKey, front, datagram[frontSize:], datagram[frontSize:])

	ackKey, err := sender.Export(ackInfo, ackKeySize)
	return &Sealed{Datagram: datagram, ackKey: ackKey, exporter: sender}, err
}

// ICEPassword is the password of a STUN request that carries the message, and of
// the answer.
func (s *Sealed) ICEPassword() (string, error) { return icePassword(s.exporter) }

func icePassword(e exporter) (string, error) {
	k, err := e.Export("sallyport ice v1", 24)
	if err != nil {
		return "", fmt.Errorf("derive the password of a STUN request: %w", err)
	}
	return base64.StdEncoding.EncodeToString(k), nil
}

// appendFront writes R and T.
func appendFront(b []byte, server key.Public, h Header) []byte {
	var front [frontSize]byte
	rand.Read(front[:nonceSize]) // never fails: crypto/rand ends the program instead
	m := newMoat(server.Moat(key.Epoch(h.Time)))
	binary.LittleEndian.PutUint32(front[nonceSize:], m.tag(front[:nonceSize]))
	return append(b, front[:]...)
}
