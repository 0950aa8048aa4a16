package sshauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

var message = []byte("one knock, once")

func signerOf(t testing.TB, key crypto.Signer, err error) ssh.Signer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func newEd25519(t testing.TB) ssh.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return signerOf(t, key, err)
}

func newECDSA(t testing.TB, curve elliptic.Curve) ssh.Signer {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	return signerOf(t, key, err)
}

func newRSA(t testing.TB, bits int) ssh.Signer {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	return signerOf(t, key, err)
}

// token is a FIDO2 key in software: PROTOCOL.u2f with a plain Ed25519 key.
type token struct {
	pub     ssh.PublicKey
	key     ed25519.PrivateKey
	flags   byte
	counter uint32
}

func newToken(t testing.TB, flags byte) *token {
	t.Helper()
	point, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wire := ssh.Marshal(struct {
		Type        string
		Point       []byte
		Application string
	}{ssh.KeyAlgoSKED25519, point, "ssh:"})
	pub, err := ssh.ParsePublicKey(wire)
	if err != nil {
		t.Fatal(err)
	}
	return &token{pub: pub, key: key, flags: flags, counter: 7}
}

func (k *token) PublicKey() ssh.PublicKey { return k.pub }

func (k *token) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	tail := binary.BigEndian.AppendUint32([]byte{k.flags}, k.counter)
	application, digest := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	blob := append(append(application[:], tail...), digest[:]...)
	return &ssh.Signature{Format: k.pub.Type(), Blob: ed25519.Sign(k.key, blob), Rest: tail}, nil
}

// signers are one of each kind that is accepted.
func signers(t testing.TB) map[string]ssh.Signer {
	return map[string]ssh.Signer{
		"ed25519":    newEd25519(t),
		"sk-ed25519": newToken(t, userPresent),
		"p256":       newECDSA(t, elliptic.P256()),
		"p384":       newECDSA(t, elliptic.P384()),
		"p521":       newECDSA(t, elliptic.P521()),
		"rsa2048":    newRSA(t, 2048),
	}
}

func TestProofs(t *testing.T) {
	sizes := map[string]int{
		"ed25519": 64, "sk-ed25519": 69, "p256": 64, "p384": 96, "p521": 132, "rsa2048": 256,
	}
	for name, signer := range signers(t) {
		t.Run(name, func(t *testing.T) {
			pub := signer.PublicKey()
			if Verify(pub, message, make([]byte, sizes[name])) == nil {
				t.Fatal("accepted a proof of zeros")
			}
			proof, err := Sign(signer, message)
			if err != nil {
				t.Fatal(err)
			}
			if size, err := ProofSize(pub); err != nil || size != sizes[name] || len(proof) != size {
				t.Fatalf("a proof of %d bytes, ProofSize %d, %v: want %d", len(proof), size, err, sizes[name])
			}
			if err := Verify(pub, message, proof); err != nil {
				t.Fatal(err)
			}
			if Verify(pub, append(bytes.Clone(message), 0), proof) == nil {
				t.Error("accepted for a longer message")
			}
			if Verify(newEd25519(t).PublicKey(), message, proof) == nil {
				t.Error("accepted for another key")
			}
			for n := range proof {
				if Verify(pub, message, proof[:n]) == nil {
					t.Errorf("accepted the first %d bytes", n)
				}
			}
			if Verify(pub, message, append(bytes.Clone(proof), 0)) == nil {
				t.Error("accepted with a byte more")
			}
			for i := range proof {
				flipped := bytes.Clone(proof)
				flipped[i] ^= 1 << (i % 8)
				if Verify(pub, message, flipped) == nil {
					t.Errorf("accepted with a bit of byte %d flipped", i)
				}
			}
		})
	}
}

// A number plus the order of the group is the same number to a careless verifier.
func TestECDSANumbersHaveOneEncoding(t *testing.T) {
	signer := newECDSA(t, elliptic.P521()) // 7 spare bits, so that there is room for r + n
	proof, err := Sign(signer, message)
	if err != nil {
		t.Fatal(err)
	}
	n := elliptic.P521().Params().N
	for _, half := range [][]byte{proof[:66], proof[66:]} {
		before := bytes.Clone(half)
		new(big.Int).Add(new(big.Int).SetBytes(half), n).FillBytes(half)
		if Verify(signer.PublicKey(), message, proof) == nil {
			t.Error("accepted a number above the order of the group")
		}
		copy(half, before)
	}
	if err := Verify(signer.PublicKey(), message, proof); err != nil {
		t.Error(err)
	}
}

func TestFIDO2KeyMustBeTouched(t *testing.T) {
	for flags, touched := range map[byte]bool{0x00: false, 0x04: false, 0x01: true, 0x05: true} {
		_, err := Sign(newToken(t, flags), message)
		if got := err == nil; got != touched {
			t.Errorf("flags %#x: %v", flags, err)
		}
		if !touched && !strings.Contains(err.Error(), "not touched") {
			t.Errorf("flags %#x: %v", flags, err)
		}
	}
}

// crooked signs in a way that Sign must notice.
type crooked struct {
	ssh.Signer
	sign func(data []byte) (*ssh.Signature, error)
}

func (c crooked) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) { return c.sign(data) }

func TestSignRefuses(t *testing.T) {
	key := newEd25519(t)
	other := newEd25519(t)
	cases := []struct {
		name   string
		signer ssh.Signer
		want   string
	}{
		{"an agent that refuses", crooked{key, func([]byte) (*ssh.Signature, error) { return nil, errors.New("declined") }}, "declined"},
		{"an agent that signs with another key", crooked{key, func(d []byte) (*ssh.Signature, error) { return other.Sign(rand.Reader, d) }}, "does not fit"},
		{"an agent that signs something else", crooked{key, func([]byte) (*ssh.Signature, error) { return key.Sign(rand.Reader, message) }}, "does not fit"},
		{"a signature of another type", crooked{key, func([]byte) (*ssh.Signature, error) { return &ssh.Signature{Format: "ssh-rsa"}, nil }}, `type "ssh-rsa"`},
		{"a short signature", crooked{key, func([]byte) (*ssh.Signature, error) {
			return &ssh.Signature{Format: "ssh-ed25519", Blob: make([]byte, 9)}, nil
		}}, "9 bytes: want 64"},
		{"RSA without a choice of hash", crooked{Signer: newRSA(t, 2048)}, "cannot sign with rsa-sha2-512"},
		{"an RSA key too short", newRSA(t, 1024), "1024 bits: want 2048 to 4096"},
		{"a pair that is none", crooked{newECDSA(t, elliptic.P256()), func([]byte) (*ssh.Signature, error) {
			return &ssh.Signature{Format: "ecdsa-sha2-nistp256", Blob: make([]byte, 64)}, nil
		}}, "not a pair"},
		{"a pair too long", crooked{newECDSA(t, elliptic.P256()), func([]byte) (*ssh.Signature, error) {
			huge := new(big.Int).Lsh(big.NewInt(1), 300)
			return &ssh.Signature{Format: "ecdsa-sha2-nistp256", Blob: ssh.Marshal(pair{huge, huge})}, nil
		}}, "out of range"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Sign(c.signer, message); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v: want one that says %q", err, c.want)
			}
		})
	}
}

// A signature over the bare message, as an ssh login or another program would
// make it, is no proof.
func TestOtherSignaturesAreNoProofs(t *testing.T) {
	signer := newEd25519(t)
	for name, data := range map[string][]byte{
		"the message":            message,
		"another namespace":      bytes.Replace(Knock.toSign(message), []byte("knock@sallyport"), []byte("email@sallyport"), 1),
		"another hash algorithm": bytes.Replace(Knock.toSign(message), []byte("sha512"), []byte("sha256"), 1),
	} {
		signature, err := signer.Sign(rand.Reader, data)
		if err != nil {
			t.Fatal(err)
		}
		if Verify(signer.PublicKey(), message, signature.Blob) == nil {
			t.Errorf("accepted a signature over %s", name)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	cert := &ssh.Certificate{Key: newEd25519(t).PublicKey(), SignatureKey: newEd25519(t).PublicKey()}
	if err := cert.SignCert(rand.Reader, newEd25519(t)); err != nil {
		t.Fatal(err)
	}
	point, err := newECDSA(t, elliptic.P256()).PublicKey().(ssh.CryptoPublicKey).CryptoPublicKey().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	skECDSA := ssh.Marshal(struct {
		Type, Curve string
		Point       []byte
		Application string
	}{ssh.KeyAlgoSKECDSA256, "nistp256", point, "ssh:"})
	sk, err := ssh.ParsePublicKey(skECDSA)
	if err != nil {
		t.Fatal(err)
	}
	zero, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		pub  ssh.PublicKey
		want string
	}{
		{cert, "certificates"},
		{sk, "ed25519-sk"},
		{zero, "without a private key"},
		{bare{"ssh-dss"}, "too weak"},
		{bare{"ssh-new\x00"}, `"ssh-new\x00"`},
		{newRSA(t, 1024).PublicKey(), "1024 bits"},
	}
	for _, c := range cases {
		if _, err := ProofSize(c.pub); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v: want one that says %q", c.pub.Type(), err, c.want)
		}
		if Verify(c.pub, message, make([]byte, 64)) == nil {
			t.Errorf("%s: accepted a proof", c.pub.Type())
		}
	}
}

// bare is a key of which only the type is known, as an agent may list it.
type bare struct{ name string }

func (b bare) Type() string                        { return b.name }
func (b bare) Marshal() []byte                     { return ssh.Marshal(struct{ Name string }{b.name}) }
func (b bare) Verify([]byte, *ssh.Signature) error { return nil }

func TestID(t *testing.T) {
	const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	// echo AAAA…Hh8g | base64 -d | sha256sum | head -c 12
	if got, want := ID(pub), [6]byte{0x98, 0xaa, 0x94, 0xfb, 0x42, 0xbc}; got != want {
		t.Errorf("ID %x: want %x", got, want)
	}
}

func FuzzVerify(f *testing.F) {
	keys := []ssh.PublicKey{newEd25519(f).PublicKey(), newToken(f, userPresent).PublicKey(), newECDSA(f, elliptic.P256()).PublicKey()}
	for _, n := range []int{0, 63, 64, 65, 69} {
		f.Add(message, make([]byte, n))
	}
	f.Fuzz(func(t *testing.T, message, proof []byte) {
		for _, pub := range keys {
			if Verify(pub, message, proof) == nil {
				t.Errorf("a made-up proof for %s was accepted", pub.Type())
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for name, signer := range signers(b) {
		b.Run(name, func(b *testing.B) {
			proof, err := Sign(signer, message)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := Verify(signer.PublicKey(), message, proof); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
