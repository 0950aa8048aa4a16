package record

import (
	"bytes"
	"crypto/ed25519"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/fleet/roll"
)

var (
	at     = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	fleet  = roll.Hash{1}
	secret = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)) // a test vector
	public = secret.Public().(ed25519.PublicKey)

	beat       = Beat{At: at, Head: roll.Head{Number: 418, Hash: roll.Hash{2}}, Version: "1.2.3", Doors: [8]byte{3}, Started: at, Problems: 2, Behind: true}
	revocation = Revocation{Client: "alice", UpTo: 417, At: at, By: "root on tokyo"}
	grant      = Grant{ID: [16]byte{4}, Client: "alice", Door: "ssh", Source: netip.MustParseAddr("192.0.2.7"), At: at, Until: at.Add(time.Minute), Message: "signed"}
	ban        = Ban{Source: netip.MustParsePrefix("2001:db8::/48"), At: at, Until: at.Add(time.Hour), Why: "guessing"}
)

// each is a record in its place.
var each = map[string]Record{
	BeatKey("tokyo"):              beat,
	RevokedKey("tokyo", "alice"):  revocation,
	BannedKey("tokyo", ban):       ban,
	GrantedKey("tokyo", grant.ID): grant,
}

func TestRecordsComeBack(t *testing.T) {
	for key, r := range each {
		got, err := Open(public, fleet, key, Sign(secret, fleet, key, r))
		if err != nil || got != r {
			t.Errorf("%s: %+v %v, want %+v", key, got, err, r)
		}
	}
}

// A record counts in its place alone: not elsewhere, for another fleet, from another
// gate, cut off or changed.
func TestRecordsCountInTheirPlaceAlone(t *testing.T) {
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32)).Public().(ed25519.PublicKey)
	for key, r := range each {
		value := Sign(secret, fleet, key, r)
		for name, open := range map[string]func() (Record, error){
			"another gate":    func() (Record, error) { return Open(stranger, fleet, key, value) },
			"no key":          func() (Record, error) { return Open(nil, fleet, key, value) },
			"another fleet":   func() (Record, error) { return Open(public, roll.Hash{9}, key, value) },
			"another's place": func() (Record, error) { return Open(public, fleet, strings.Replace(key, "tokyo", "osaka", 1), value) },
			"longer":          func() (Record, error) { return Open(public, fleet, key, append(bytes.Clone(value), 0)) },
			"empty":           func() (Record, error) { return Open(public, fleet, key, nil) },
			"a client's name that is not signed": func() (Record, error) {
				return Open(public, fleet, RevokedKey("tokyo", "bob"), value)
			},
		} {
			if got, err := open(); err == nil {
				t.Errorf("%s of %s: %+v", name, key, got)
			}
		}
		for i := range value {
			changed := bytes.Clone(value)
			changed[i] ^= 1
			if _, err := Open(public, fleet, key, changed); err == nil {
				t.Errorf("%s: byte %d does not matter", key, i)
			}
		}
	}
}

// What a gate signs in the wrong place, or with what cannot be, is no record either.
func TestWhatAGateMayNotSay(t *testing.T) {
	for name, c := range map[string]struct {
		key string
		r   Record
	}{
		"a revocation of another client": {RevokedKey("tokyo", "bob"), revocation},
		"a grant of another id":          {GrantedKey("tokyo", [16]byte{5}), grant},
		"a grant for a mapped address":   {GrantedKey("tokyo", [16]byte{4}), Grant{ID: [16]byte{4}, Client: "alice", Door: "ssh", Source: netip.MustParseAddr("::ffff:192.0.2.7")}},
		"a beat as a revocation":         {RevokedKey("tokyo", "alice"), beat},
		"a revocation as a beat":         {BeatKey("tokyo"), revocation},
		"a ban of another network":       {GatePrefix + "tokyo/banned/192.0.2.0_24", ban},
		"a place that is none":           {GatePrefix + "tokyo", revocation},
		"an entry of the roll":           {"roll/0000000000000001", revocation},
		"a name that is none":            {RevokedKey("tokyo", "../a"), Revocation{Client: "../a"}},
		"a text with controls":           {RevokedKey("tokyo", "alice"), Revocation{Client: "alice", By: "a\x1b[2J"}},
		"bits beyond the prefix":         {BannedKey("tokyo", Ban{Source: netip.MustParsePrefix("192.0.2.1/24")}), Ban{Source: netip.MustParsePrefix("192.0.2.1/24")}},
	} {
		if got, err := Open(public, fleet, c.key, Sign(secret, fleet, c.key, c.r)); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A heartbeat is written by every gate twice a minute.
func TestBeatIsSmall(t *testing.T) {
	b := beat
	b.Version = strings.Repeat("9", maxVersion)
	if n := len(Sign(secret, fleet, BeatKey("tokyo"), b)); n > MaxBeat {
		t.Errorf("%d bytes", n)
	}
}

// FuzzOpen signs anything, as a gate that has been taken over may: what is read is what
// would be written.
func FuzzOpen(f *testing.F) {
	for key, r := range each {
		value := Sign(secret, fleet, key, r)
		f.Add(key, value[:len(value)-ed25519.SignatureSize])
	}
	f.Fuzz(func(t *testing.T, key string, body []byte) {
		if len(key) > 1<<10 {
			return
		}
		value := append(bytes.Clone(body), ed25519.Sign(secret, signed(fleet, key, body))...)
		r, err := Open(public, fleet, key, value)
		if err != nil {
			return
		}
		if again := Sign(secret, fleet, key, r); !bytes.Equal(again, value) {
			t.Errorf("%x is written as %x", value, again)
		}
	})
}
