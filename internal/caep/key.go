package caep

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"sallyport/internal/strictjson"
)

// maxKeys is how many keys there can be: one that is in use, one that follows, and some.
const maxKeys = 8

// ParseKeys reads the public keys of an issuer: PEM blocks, a JWK, or a JWK set as the
// issuer publishes it. What is no signing key in a set is passed over.
func ParseKeys(text []byte) ([]jose.JSONWebKey, error) {
	keys, err := parsePEM(text)
	if err == nil && keys == nil {
		keys, err = parseJWK(text)
	}
	if err != nil {
		return nil, fmt.Errorf("read the keys of the issuer: %w", err)
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, fmt.Errorf("read the keys of the issuer: there are %d: %w", len(keys), errKey)
	}
	return keys, nil
}

func parsePEM(text []byte) (keys []jose.JSONWebKey, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return keys, nil
		}
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("there is a %s: %w", block.Type, errKey)
		}
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		k := jose.JSONWebKey{Key: public}
		if algorithmsOf(k) == nil {
			return nil, errKey
		}
		keys = append(keys, k)
	}
}

func parseJWK(text []byte) ([]jose.JSONWebKey, error) {
	var set jose.JSONWebKeySet
	if err := strictjson.Lenient(text, &set); err != nil {
		return nil, errKey
	}
	if set.Keys == nil {
		var one jose.JSONWebKey
		if err := strictjson.Lenient(text, &one); err != nil {
			return nil, errKey
		}
		set.Keys = []jose.JSONWebKey{one}
	}
	return slices.DeleteFunc(set.Keys, func(k jose.JSONWebKey) bool {
		return algorithmsOf(k) == nil || k.Use != "" && k.Use != "sig"
	}), nil
}

// algorithmsOf pins what a key may have signed with: what the token says of its algorithm
// chooses among these only.
func algorithmsOf(k jose.JSONWebKey) []jose.SignatureAlgorithm {
	var all []jose.SignatureAlgorithm
	switch public := k.Key.(crypto.PublicKey).(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() >= 2048 && public.N.BitLen() <= 8192 {
			all = []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
		}
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256():
			all = []jose.SignatureAlgorithm{jose.ES256}
		case elliptic.P384():
			all = []jose.SignatureAlgorithm{jose.ES384}
		}
	case ed25519.PublicKey:
		all = []jose.SignatureAlgorithm{jose.EdDSA}
	}
	if k.Algorithm != "" {
		all = slices.DeleteFunc(all, func(a jose.SignatureAlgorithm) bool { return string(a) != k.Algorithm })
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func algorithms(keys []jose.JSONWebKey) (all []jose.SignatureAlgorithm) {
	for _, k := range keys {
		all = append(all, algorithmsOf(k)...)
	}
	return all
}
