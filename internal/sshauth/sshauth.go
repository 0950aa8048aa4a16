// Package sshauth lets a client prove itself with the SSH key it already has.
//
// A proof is a signature in the format that ssh-keygen -Y sign writes
// (PROTOCOL.sshsig of OpenSSH), for a namespace such as "knock@sallyport" and the
// hash sha512, of which only the raw signature travels. What is signed names
// the namespace, so an agent asked for a proof can be tricked into nothing
// else, and no signature made for another purpose is a proof. Any key that
// ssh-agent holds will do, a FIDO2 key too; File turns a proof back into the
// file that ssh-keygen -Y verify accepts.
//
// The raw forms have one size for each key, and only one encoding:
//
//	ssh-ed25519                         64 bytes
//	sk-ssh-ed25519@openssh.com          64, flags 1, counter 4
//	ecdsa-sha2-nistp256, -384, -521     r ‖ s, 32, 48 or 66 bytes each
//	ssh-rsa (2,048 to 4,096 bits)       as long as the modulus; rsa-sha2-512
//
// Those of passkeys, which have no such file, are in package passkey.
//
// A FIDO2 key must have been touched: a proof without the user-presence flag
// is refused. The counter is not looked at, as sshd does not either.
//
// A proof is not unique: anyone who holds the key can make many for one message,
// and of an ECDSA proof (r, s) everybody can make the proof (r, n-s). Nothing
// may depend on a proof being new; the replay guard goes by the random bytes
// that the signed message holds.
//
// ParseAuthorizedKeys reads the clients from a file in the format of OpenSSH.
package sshauth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/passkey"
)

const (
	magic    = "SSHSIG"
	hashName = "sha512"
)

// Namespace says what signatures are for. One that is made for a namespace is none for
// any other, nor for another program.
type Namespace string

// The namespaces of this program.
const (
	Knock Namespace = "knock@sallyport"   // that the holder of a key asks for a door
	Roll  Namespace = "sallyport-roll@v1" // that an operator changes what holds in a fleet
)

// signed is what the key signs: PROTOCOL.sshsig, section 3.
type signed struct {
	Magic     [6]byte
	Namespace string
	Reserved  string
	Hash      string
	Digest    []byte
}

// envelope is a whole signature file: PROTOCOL.sshsig, section 2.
type envelope struct {
	Magic     [6]byte
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

func (n Namespace) toSign(message []byte) []byte {
	digest := sha512.Sum512(message)
	return ssh.Marshal(signed{
		Magic:     [6]byte([]byte(magic)),
		Namespace: string(n),
		Hash:      hashName,
		Digest:    digest[:],
	})
}

// Sign returns the proof for a knock: see Namespace.Sign.
func Sign(signer ssh.Signer, message []byte) ([]byte, error) { return Knock.Sign(signer, message) }

// Verify returns nil if proof is the key's proof for a knock.
func Verify(pub ssh.PublicKey, message, proof []byte) error { return Knock.Verify(pub, message, proof) }

// File returns the proof for a knock as a signature file: see Namespace.File.
func File(pub ssh.PublicKey, proof []byte) ([]byte, error) { return Knock.File(pub, proof) }

// Sign returns the proof that the holder of the key stands behind message.
// The signer may be backed by a file or by an agent, which may ask its user.
// The proof has been verified, so an agent that signs something else, or with
// another key, is noticed here.
func (n Namespace) Sign(signer ssh.Signer, message []byte) ([]byte, error) {
	pub, form, err := inspect(signer.PublicKey())
	if err != nil {
		return nil, err
	}
	signature, err := signAs(signer, n.toSign(message), form.algorithm)
	if err != nil {
		return nil, fmt.Errorf("sign with the key %s: %w", ssh.FingerprintSHA256(pub), err)
	}
	proof, err := form.pack(signature)
	if err != nil {
		return nil, fmt.Errorf("sign with the key %s: %w", ssh.FingerprintSHA256(pub), err)
	}
	if err := n.Verify(pub, message, proof); err != nil {
		return nil, fmt.Errorf("the signature just made is not right: %w", err)
	}
	return proof, nil
}

// signAs signs with a named algorithm, which an RSA key has several of.
func signAs(signer ssh.Signer, data []byte, algorithm string) (*ssh.Signature, error) {
	if algorithm == signer.PublicKey().Type() {
		return signer.Sign(rand.Reader, data)
	}
	chooser, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("cannot sign with %s", algorithm)
	}
	return chooser.SignWithAlgorithm(rand.Reader, data, algorithm)
}

// Verify returns nil if proof is the key's proof for message.
func (n Namespace) Verify(pub ssh.PublicKey, message, proof []byte) error {
	pub, form, err := inspect(pub)
	if err != nil {
		return err
	}
	signature, err := form.unpack(proof)
	if err != nil {
		return err
	}
	if pub.Verify(n.toSign(message), signature) != nil {
		return errors.New("the proof does not fit the key and the message")
	}
	return nil
}

// ProofSize returns how many bytes a proof made with the key has. An error
// says why the key cannot be a client's.
func ProofSize(pub ssh.PublicKey) (int, error) {
	_, form, err := inspect(pub)
	return form.size, err
}

// ID is how SPA messages name the holder of a key: the first six bytes of the
// SHA-256 of the key in SSH wire form.
func ID(pub ssh.PublicKey) [6]byte {
	sum := sha256.Sum256(pub.Marshal())
	return [6]byte(sum[:6])
}

// File returns the proof as a signature file. With the message in the file
// MESSAGE, a line "NAME KEY" in the file ALLOWED and the result in the file
// PROOF, this agrees with Verify:
//
//	ssh-keygen -Y verify -n NAMESPACE -I NAME -f ALLOWED -s PROOF <MESSAGE
func (n Namespace) File(pub ssh.PublicKey, proof []byte) ([]byte, error) {
	pub, form, err := inspect(pub)
	if err != nil {
		return nil, err
	}
	if passkey.IsType(pub.Type()) {
		return nil, errors.New("ssh-keygen knows no passkeys")
	}
	signature, err := form.unpack(proof)
	if err != nil {
		return nil, err
	}
	whole := ssh.Marshal(envelope{
		Magic:     [6]byte([]byte(magic)),
		Version:   1,
		PublicKey: pub.Marshal(),
		Namespace: string(n),
		Hash:      hashName,
		Signature: ssh.Marshal(signature),
	})
	return armor(whole), nil
}

// armor writes what PEM would, with the longer lines of ssh-keygen.
func armor(whole []byte) []byte {
	const width = 70
	text := base64.StdEncoding.AppendEncode(nil, whole)
	var b bytes.Buffer
	b.WriteString("-----BEGIN SSH SIGNATURE-----\n")
	for len(text) > 0 {
		n := min(width, len(text))
		b.Write(text[:n])
		b.WriteByte('\n')
		text = text[n:]
	}
	b.WriteString("-----END SSH SIGNATURE-----\n")
	return b.Bytes()
}
