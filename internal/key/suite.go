package key

import (
	"crypto/ecdh"
	"crypto/hpke"
	"fmt"
)

// Suite is a way of encapsulating to a server key: a KEM of HPKE, by its
// number in the IANA registry "HPKE KEM Identifiers". The zero Suite is none.
type Suite uint16

// The suites. Hybrid is the default: anyone who records its messages today cannot
// read them with a quantum computer later. X25519 has messages a ninth of that
// size, for paths and client keys that need small ones.
const (
	Hybrid Suite = 0x647a // MLKEM768-X25519, also known as X-Wing
	X25519 Suite = 0x0020 // DHKEM(X25519, HKDF-SHA256), RFC 9180
)

// spec is what a suite consists of.
type spec struct {
	name    string
	kem     hpke.KEM
	private int // bytes
	public  int
	enc     int
}

func (s Suite) spec() (spec, bool) {
	switch s {
	case Hybrid:
		return spec{"mlkem768-x25519", hpke.MLKEM768X25519(), 32, 1184 + 32, 1088 + 32}, true
	case X25519:
		return spec{"x25519", hpke.DHKEM(ecdh.X25519()), 32, 32, 32}, true
	}
	return spec{}, false
}

// String returns the name that ParseSuite reads.
func (s Suite) String() string {
	if spec, ok := s.spec(); ok {
		return spec.name
	}
	return fmt.Sprintf("suite %#04x", uint16(s))
}

// EncSize returns the size of an encapsulation, in bytes; 0 for no suite.
func (s Suite) EncSize() int {
	spec, _ := s.spec()
	return spec.enc
}

// ParseSuite reads "mlkem768-x25519" or "x25519".
func ParseSuite(name string) (Suite, error) {
	for _, s := range []Suite{Hybrid, X25519} {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("unknown suite %q: want %v or %v", shown(name), Hybrid, X25519)
}
