package spa

import (
	"bytes"
	"crypto/ed25519"
	"net/netip"
	"testing"

	"sallyport/internal/key"
)

// What is signed depends on everything that must not be exchanged.
func TestSigned(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	public := private.Public().(ed25519.PublicKey)
	k := newKey(t, key.X25519)
	o := NewOpener(key.NewKeyring(k), skew)
	for _, tc := range []struct {
		name          string
		bound, source netip.Addr
		want          bool
	}{
		{"unbound, IPv4", netip.Addr{}, home, true},
		{"unbound, IPv6", netip.Addr{}, abroad, true},
		{"bound, from there", home, home, true},
		{"bound, IPv6, from there", abroad, abroad, true},
		{"bound as IPv4 in IPv6", netip.AddrFrom16(home.As16()), home, true},
		{"bound, from elsewhere", home, home.Next(), false},
		{"bound, from the other family", home, abroad, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := Seal(k.Public(), request(noon), tc.bound, signer{private})
			if err != nil {
				t.Fatal(err)
			}
			m, reason := open(o, noon, s.Datagram)
			if reason != "" {
				t.Fatal(reason)
			}
			if got := ed25519.Verify(public, m.Signed(tc.source), m.Proof); got != tc.want {
				t.Errorf("verifies: %v, want %v", got, tc.want)
			}
		})
	}
}

// The parts of a proof's message: changing any one of them changes it.
func TestSignedCoversEverything(t *testing.T) {
	a, b := newKey(t, key.X25519).Public(), newKey(t, key.X25519).Public()
	front, enc, header := make([]byte, frontSize), make([]byte, 32), make([]byte, headerSize)
	other := func(p []byte) []byte { q := bytes.Clone(p); q[len(q)-1] = 1; return q }
	base := signed(signedHead, a, front, enc, header, netip.Addr{})
	for name, changed := range map[string][]byte{
		"server":  signed(signedHead, b, front, enc, header, netip.Addr{}),
		"R and T": signed(signedHead, a, other(front), enc, header, netip.Addr{}),
		"enc":     signed(signedHead, a, front, other(enc), header, netip.Addr{}),
		"header":  signed(signedHead, a, front, enc, other(header), netip.Addr{}),
		"source":  signed(signedHead, a, front, enc, header, home),
	} {
		if bytes.Equal(base, changed) {
			t.Errorf("%s is not signed", name)
		}
	}
}

func TestMessageDoesNotAliasPayload(t *testing.T) {
	k := newKey(t, key.X25519)
	s := sealed(t, k, request(noon), fixed(64))
	m, reason := open(NewOpener(key.NewKeyring(k), skew), noon, s.Datagram)
	if reason != "" {
		t.Fatal(reason)
	}
	before := m.Signed(home)
	clear(s.Datagram)
	if !bytes.Equal(before, m.Signed(home)) || m.Proof[0] != 0x5a || m.Nonce == [8]byte{} {
		t.Error("the message changed with the payload")
	}
}
