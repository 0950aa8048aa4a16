// Package key holds the keys of a server: what they are, how they are written
// as text, and what is derived from them.
//
// A server has one key pair at a time, and for a while after a rotation the one
// before (Keyring). Its public key goes to the clients. From it both sides
// derive the veil key, which makes messages look random, and for each epoch of
// 512 seconds a moat key, with which packets from strangers are recognised
// cheaply. The derivations are specified in docs/PROTOCOL.md.
//
// Keys are written as a prefix, the suite, and base64url with a checksum:
//
//	sallyport-server-public-v1:mlkem768-x25519:…
//
// Base64, because a hybrid public key has 1,216 bytes: nobody types that, and
// the error detection of bech32 ends at 90 characters. A checksum, because a
// damaged key is nearly always another valid key.
//
// Parsers accept exactly what would be written. Private keys have no String,
// are logged as the fingerprint of their public half, and cannot be compared.
package key
