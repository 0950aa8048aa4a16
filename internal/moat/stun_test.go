//go:build linux

package moat

import (
	"encoding/base64"
	"encoding/binary"
	"testing"
	"time"

	"sallyport/internal/key"
)

// request is a STUN request as browsers send it, with a payload as its user name.
func request(payload []byte) []byte {
	name := base64.RawStdEncoding.EncodeToString(payload) + ":abcd"
	b := []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}
	b = append(b, make([]byte, 12)...)
	b = binary.BigEndian.AppendUint16(append(b, 0, 6), uint16(len(name)))
	b = append(b, name...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	b = append(b, make([]byte, 12+8+24+8)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
	return b
}

// takeSTUN hands over keys where messages come in STUN, or do not.
func (b *bench) takeSTUN(take bool) {
	b.t.Helper()
	now := time.Now()
	keys := b.opener.MoatKeys(now.Add(-Margin), now.Add(Ahead+Margin))
	if err := b.SetKeys(now, Keys{Port: spaPort, Skew: b.skew, Keys: keys, STUN: take, Rate: 1_000_000}); err != nil {
		b.t.Fatal(err)
	}
}

// Of what comes in STUN the tag must be right, as of any other message, and what is
// no request that may carry a message is left to the host.
func TestVerdictsInSTUN(t *testing.T) {
	b := newBench(t, key.X25519, time.Minute)
	b.takeSTUN(true)
	b.exhaust()
	now := key.Epoch(time.Now())
	good, junk := request(b.datagram(short, now, true)), request(b.datagram(short, now, false))
	changed := func(from []byte, at int, to ...byte) []byte {
		c := append([]byte(nil), from...)
		copy(c[at:], to)
		return c
	}
	for name, c := range map[string]struct {
		payload []byte
		want    uint32
	}{
		"junk":                    {junk, drop},
		"the tag of long ago":     {request(b.datagram(short, now-10, true)), drop},
		"of another key's length": {request(b.datagram(178, now, false)), drop},
		"a message":               {good, pass},
		"the longest message":     {request(b.datagram(178, now, true)), pass},
		"a response":              {changed(junk, 0, 1, 1), pass},
		"another cookie":          {changed(junk, 4, 0x22), pass},
		"another length":          {changed(junk, 2, 0, 7), pass},
		"another attribute first": {changed(junk, 20, 0, 8), pass},
		"short, as of others":     {request(b.datagram(12, now, false)), pass},
		"cut short":               {junk[:39], pass},
	} {
		if got := b.run(message(client4, gate4, c.payload).bytes()); got != c.want {
			t.Errorf("%s: verdict %d, want %d", name, got, c.want)
		}
		if got := b.run(message(client6, gate6, c.payload).bytes()); got != c.want {
			t.Errorf("%s over IPv6: verdict %d, want %d", name, got, c.want)
		}
	}
	if got := b.run(message(client4, other4, junk).bytes()); got != pass {
		t.Errorf("forwarded for others: verdict %d", got)
	}
	b.takeSTUN(false)
	if got := b.run(message(client4, gate4, junk).bytes()); got != pass {
		t.Errorf("where nothing comes in STUN: verdict %d, want that of any other datagram", got)
	}
}

// Every character is decoded as encoding/base64 encodes it.
func TestDecodesTags(t *testing.T) {
	b := newBench(t, key.X25519, time.Minute)
	b.takeSTUN(true)
	b.exhaust()
	now := key.Epoch(time.Now())
	for range 2000 {
		payload := b.datagram(short, now, true)
		if got := b.run(message(client4, gate4, request(payload)).bytes()); got != pass {
			t.Fatalf("a right tag in %q: verdict %d", request(payload)[24:40], got)
		}
		payload[8+payload[20]%4] ^= 1 << (payload[21] % 8)
		if got := b.run(message(client4, gate4, request(payload)).bytes()); got != drop {
			t.Fatalf("a wrong tag in %q: verdict %d", request(payload)[24:40], got)
		}
	}
}

// A key of the other suite says nothing about what comes in STUN.
func TestWithoutKeysForSTUN(t *testing.T) {
	b := newBench(t, key.Hybrid, time.Minute)
	b.takeSTUN(true)
	b.exhaust()
	if got := b.run(message(client4, gate4, request(b.datagram(short, 1, false))).bytes()); got != pass {
		t.Errorf("verdict %d", got)
	}
}
