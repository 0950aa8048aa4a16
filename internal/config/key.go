package config

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/passkey"
)

// ParseKey reads a public key as one line of an authorized_keys file: type,
// base64, and a comment that is ignored.
func ParseKey(text string) (ssh.PublicKey, error) {
	fields := strings.Fields(text)
	if strings.Contains(text, "PRIVATE KEY") {
		return nil, errors.New("that is a private key, which nobody else should see: want the line of the .pub file")
	}
	if len(fields) < 2 || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New(`want one line such as "ssh-ed25519 AAAA… alice@laptop"`)
	}
	if passkey.IsType(fields[0]) {
		k, err := passkey.Parse(text)
		if err != nil {
			return nil, err
		}
		return k, CheckKey(k)
	}
	if err := checkKeyType(fields[0]); err != nil {
		return nil, err
	}
	wire, err := base64.StdEncoding.Strict().DecodeString(fields[1])
	if err != nil {
		return nil, errors.New("the part after the type is not whole base64: copy the line of the .pub file again")
	}
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, fmt.Errorf("broken: %s: copy the line of the .pub file again", strings.TrimPrefix(err.Error(), "ssh: "))
	}
	if key.Type() != fields[0] {
		return nil, fmt.Errorf("says %s but holds a key of type %s", fields[0], key.Type())
	}
	if !bytes.Equal(key.Marshal(), wire) {
		return nil, errors.New("encoded in an unusual way: copy the line of the .pub file again")
	}
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	return key, nil
}

func checkKeyType(name string) error {
	const accepted = "want ssh-ed25519, sk-ssh-ed25519@openssh.com, ecdsa-sha2-nistp256, -384, -521 or ssh-rsa"
	switch name {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoRSA,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return nil
	case "ssh-dss":
		return fmt.Errorf("DSA keys are too weak: %s", accepted)
	}
	if strings.Contains(name, "-cert-v01@") {
		return errors.New("certificates are not accepted: want the public key itself")
	}
	if strings.ContainsAny(name, "=,") || !strings.Contains(name, "-") {
		return fmt.Errorf("begins with %q: options of authorized_keys belong in that file; here set from, expires and single: %s", abbreviate(name, maxShown), accepted)
	}
	return fmt.Errorf("keys of type %q are not accepted: %s", abbreviate(name, maxShown), accepted)
}

// CheckKey refuses RSA moduli that are too short to trust or too long to
// verify cheaply, and Ed25519 points that anybody can sign for.
func CheckKey(key ssh.PublicKey) error {
	holder, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	switch k := holder.CryptoPublicKey().(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 || bits > 4096 {
			return fmt.Errorf("RSA key of %d bits: want 2048 to 4096", bits)
		}
	case ed25519.PublicKey:
		if smallOrder(k) {
			return errors.New("not the key of anybody: signatures for this point can be made without a private key")
		}
	}
	return nil
}

// smallOrder reports whether an Ed25519 key is one of the points of order 8 or
// less, in every encoding that a verifier decodes. The all-zero key of a
// template is one of them. They are given by y, little-endian, whatever the
// sign of x: 0, 1, the two of order 8, p-1, and 0 and 1 plus p.
func smallOrder(k ed25519.PublicKey) bool {
	y := bytes.Clone(k)
	y[31] &= 0x7f
	switch hex.EncodeToString(y) {
	case "0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f":
		return true
	}
	return false
}
