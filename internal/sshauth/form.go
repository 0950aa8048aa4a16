package sshauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/passkey"
)

const (
	skTail       = 5    // flags 1, counter 4
	userPresent  = 0x01 // flag of PROTOCOL.u2f: the key has been touched
	minRSA       = 2048 // bits
	maxRSA       = 4096
	wantKeyTypes = "want ssh-ed25519, sk-ssh-ed25519@openssh.com, ecdsa-sha2-nistp256, -384, -521 or ssh-rsa"
)

// keyTypes are the types that clients may have.
var keyTypes = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519,
	ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA,
}

// form is how the proofs of one key are written.
type form struct {
	algorithm string // of the signature, in the words of SSH
	size      int    // bytes
	half      int    // of these for each of r and s; 0: not ECDSA
	touch     bool   // ends with the flags and counter of a FIDO2 key
}

// inspect returns the form of a key's proofs, and the key as the ssh package
// parses it: an agent's list of keys holds something less.
func inspect(pub ssh.PublicKey) (ssh.PublicKey, form, error) {
	holder, ok := pub.(ssh.CryptoPublicKey)
	if !ok {
		parsed, err := ssh.ParsePublicKey(pub.Marshal())
		if err != nil {
			return nil, form{}, typeError(pub.Type())
		}
		pub = parsed
		if holder, ok = parsed.(ssh.CryptoPublicKey); !ok {
			return nil, form{}, typeError(pub.Type())
		}
	}
	f, err := formOf(pub.Type(), holder.CryptoPublicKey())
	return pub, f, err
}

func formOf(name string, key crypto.PublicKey) (form, error) {
	switch name {
	case ssh.KeyAlgoED25519:
		return form{algorithm: name, size: ed25519.SignatureSize}, checkPoint(key)
	case ssh.KeyAlgoSKED25519:
		return form{algorithm: name, size: ed25519.SignatureSize + skTail, touch: true}, checkPoint(key)
	case ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		if k, ok := key.(*ecdsa.PublicKey); ok {
			half := (k.Curve.Params().BitSize + 7) / 8
			return form{algorithm: name, size: 2 * half, half: half}, nil
		}
	case passkey.ES256:
		return form{algorithm: name, size: passkey.ProofSize}, nil
	case passkey.EdDSA:
		return form{algorithm: name, size: passkey.ProofSize}, checkPoint(key)
	case ssh.KeyAlgoRSA:
		if k, ok := key.(*rsa.PublicKey); ok {
			return form{algorithm: ssh.KeyAlgoRSASHA512, size: k.Size()}, checkModulus(k)
		}
	}
	return form{}, typeError(name)
}

func typeError(name string) error {
	switch {
	case name == "ssh-dss":
		return fmt.Errorf("DSA keys are too weak: %s", wantKeyTypes)
	case strings.Contains(name, "-cert-v0"):
		return errors.New("certificates are not accepted: want the public key itself")
	case name == ssh.KeyAlgoSKECDSA256:
		return errors.New("FIDO2 keys of type ecdsa-sk are not accepted: make one with ssh-keygen -t ed25519-sk")
	}
	return fmt.Errorf("keys of type %q are not accepted: %s", shown(name), wantKeyTypes)
}

// checkModulus refuses RSA keys too short to trust or too long to verify cheaply.
func checkModulus(k *rsa.PublicKey) error {
	if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA {
		return fmt.Errorf("RSA key of %d bits: want %d to %d", bits, minRSA, maxRSA)
	}
	return nil
}

// checkPoint refuses the points of order eight or less, for which anybody can
// make signatures, the all-zero key of a template among them. They are given
// by their y coordinate, in every encoding that a verifier decodes, whatever
// the sign of x: 0, 1, the two of order eight, p-1, p and p+1.
func checkPoint(key crypto.PublicKey) error {
	point, ok := key.(ed25519.PublicKey)
	if !ok || len(point) != ed25519.PublicKeySize {
		return errors.New("not an Ed25519 key")
	}
	y := [ed25519.PublicKeySize]byte(point)
	y[31] &= 0x7f
	switch hex.EncodeToString(y[:]) {
	case "0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f":
		return errors.New("not the key of anybody: signatures for this point can be made without a private key")
	}
	return nil
}

// pack writes a signature in its raw form.
func (f form) pack(s *ssh.Signature) ([]byte, error) {
	if s.Format != f.algorithm {
		return nil, fmt.Errorf("the signature is of type %q: want %s", shown(s.Format), f.algorithm)
	}
	blob := s.Blob
	if f.half > 0 {
		var err error
		if blob, err = f.packPair(s.Blob); err != nil {
			return nil, err
		}
	}
	proof := make([]byte, 0, f.size)
	if short := f.size - len(blob); f.algorithm == ssh.KeyAlgoRSASHA512 && short > 0 {
		proof = append(proof, make([]byte, short)...) // RFC 8332 has no padding, some agents leave zeros out
	}
	proof = append(append(proof, blob...), s.Rest...)
	if len(proof) != f.size {
		return nil, fmt.Errorf("the signature has %d bytes: want %d", len(proof), f.size)
	}
	return proof, nil
}

// pair is an ECDSA signature as SSH writes it (RFC 5656, section 3.1.2).
type pair struct{ R, S *big.Int }

func (f form) packPair(blob []byte) ([]byte, error) {
	var p pair
	if err := ssh.Unmarshal(blob, &p); err != nil {
		return nil, errors.New("the signature is not a pair of numbers")
	}
	for _, n := range []*big.Int{p.R, p.S} {
		if n.Sign() < 0 || n.BitLen() > 8*f.half {
			return nil, errors.New("the signature holds a number that is out of range")
		}
	}
	raw := make([]byte, 2*f.half)
	p.R.FillBytes(raw[:f.half])
	p.S.FillBytes(raw[f.half:])
	return raw, nil
}

// unpack reads what pack writes.
func (f form) unpack(proof []byte) (*ssh.Signature, error) {
	if len(proof) != f.size {
		return nil, fmt.Errorf("the proof has %d bytes: want %d", len(proof), f.size)
	}
	s := &ssh.Signature{Format: f.algorithm, Blob: proof}
	switch {
	case f.half > 0:
		s.Blob = ssh.Marshal(pair{
			R: new(big.Int).SetBytes(proof[:f.half]),
			S: new(big.Int).SetBytes(proof[f.half:]),
		})
	case f.touch:
		tail := f.size - skTail
		if proof[tail]&userPresent == 0 {
			return nil, errors.New("the key was not touched: its user was perhaps not there")
		}
		s.Blob, s.Rest = proof[:tail], proof[tail:]
	}
	return s, nil
}

// shown cuts text that someone else chose to a length fit for a message.
func shown(text string) string {
	const limit = 60
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
