package record

import (
	"encoding/hex"
	"strings"

	"sallyport/internal/config"
)

// Keys in etcd. Each gate may write its own alone, which Prefixes lists; what lies under
// GatePrefix every gate follows, and so nothing lies there that changes every minute.
const (
	GatePrefix    = "gate/"    // gate/NAME/…: what a gate says to all others
	BeatPrefix    = "beat/"    // beat/NAME: how a gate is
	AddressPrefix = "address/" // address/NAME/…: what was used at one of several gates with one address
	SecretPrefix  = "secret/"  // secret/GATE/CLIENT: sealed by operators

	revoked = "revoked"
	banned  = "banned"
	granted = "granted"
)

// BeatKey is where a gate says how it is.
func BeatKey(gate string) string { return BeatPrefix + gate }

// RevokedKey is where a gate revokes a client.
func RevokedKey(gate, client string) string { return GatePrefix + gate + "/" + revoked + "/" + client }

// GrantedKey is where a gate shares a grant, by its ID.
func GrantedKey(gate string, id [16]byte) string {
	return GatePrefix + gate + "/" + granted + "/" + hex.EncodeToString(id[:])
}

// BannedKey is where a gate bans a network. A slash has no place in a name.
func BannedKey(gate string, b Ban) string {
	return GatePrefix + gate + "/" + banned + "/" + strings.ReplaceAll(b.Source.String(), "/", "_")
}

// SecretKey is where the secret of a client lies, sealed to a gate.
func SecretKey(gate, client string) string { return SecretPrefix + gate + "/" + client }

// UsedMessageKey is where gates with one address write that a message is used, by a hash of
// it; UsedStepKey is where they write which step of a rotating sequence is.
func UsedMessageKey(address string, message [16]byte) string {
	return AddressPrefix + address + "/message/" + hex.EncodeToString(message[:])
}

// UsedStepKey is as UsedMessageKey says.
func UsedStepKey(address string, steps [16]byte) string {
	return AddressPrefix + address + "/step/" + hex.EncodeToString(steps[:])
}

// Prefixes are what the user of a gate may write in etcd. It may read everything but
// the secrets of others.
func Prefixes(gate string) []string { return []string{GatePrefix + gate + "/", BeatPrefix + gate} }

// gateOf returns the gate whose key this is, and the rest behind its name.
func gateOf(key string) (gate, rest string, ok bool) {
	if name, is := strings.CutPrefix(key, BeatPrefix); is {
		return name, "", config.ValidName(name)
	}
	under, is := strings.CutPrefix(key, GatePrefix)
	gate, rest, cut := strings.Cut(under, "/")
	return gate, rest, is && cut && config.ValidName(gate)
}
