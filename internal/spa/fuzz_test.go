package spa

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/key"
)

// Bytes from anywhere: no panic, nothing opens.
func FuzzCheck(f *testing.F) {
	small, hybrid := newKey(f, key.X25519), newKey(f, key.Hybrid)
	o := NewOpener(key.NewKeyring(hybrid).Rotate(small, noon.Add(time.Hour)), skew)
	other := newKey(f, key.X25519)
	f.Add([]byte{})
	f.Add(make([]byte, 144))
	f.Add(make([]byte, 1237))
	f.Add(sealed(f, other, request(noon), fixed(64)).Datagram)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if _, reason := open(o, noon, payload); reason == "" {
			t.Error("opened")
		}
		if _, ok := o.Diagnose(noon, payload); ok {
			t.Error("diagnosed")
		}
	})
}

// Bytes from someone who can make tags: no panic, nothing opens.
func FuzzTagged(f *testing.F) {
	type target struct {
		opener *Opener
		public key.Public
		length int
	}
	var targets []target
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		k := newKey(f, suite)
		for _, span := range Lengths(suite) {
			targets = append(targets, target{NewOpener(key.NewKeyring(k), skew), k.Public(), span.Last})
		}
	}
	f.Add(uint8(0), []byte{})
	f.Add(uint8(3), bytes.Repeat([]byte{0xff}, 600))
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		to := targets[int(which)%len(targets)]
		payload := make([]byte, to.length)
		copy(payload, text)
		m := newMoat(to.public.Moat(key.Epoch(noon)))
		binary.LittleEndian.PutUint32(payload[nonceSize:], m.tag(payload[:nonceSize]))
		if _, reason := open(to.opener, noon, payload); reason != BadSeal {
			t.Errorf("got %q", reason)
		}
	})
}

// Any plaintext from someone who has the public key: opened if and only if it
// is what a client would write.
func FuzzPlaintext(f *testing.F) {
	k := newKey(f, key.X25519)
	o := NewOpener(key.NewKeyring(k), skew)
	f.Add(append(request(noon).append(nil), make([]byte, 64)...))
	f.Add(make([]byte, headerSize+69))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if !within(x25519Proofs, len(plain)-headerSize) {
			return
		}
		m, reason := open(o, noon, forge(t, k.Public(), noon, plain))
		switch reason {
		case "":
			if !bytes.Equal(m.Header.append(nil), plain[:headerSize]) || !bytes.Equal(m.Proof, plain[headerSize:]) {
				t.Errorf("read %x as %+v", plain, m.Header)
			}
		case BadHeader:
			if h, err := parseHeader(plain[:headerSize]); err == nil && key.Epoch(h.Time) == key.Epoch(noon) {
				t.Errorf("refused %+v", h)
			}
		default:
			t.Errorf("got %q", reason)
		}
	})
}

// Open(Seal(x)) = x.
func FuzzSealOpen(f *testing.F) {
	keys := []key.Private{newKey(f, key.X25519), newKey(f, key.Hybrid)}
	f.Add(false, uint8(1), uint8(7), []byte("client"), []byte("door"), noon.UnixMilli(), uint16(30), home.AsSlice())
	f.Add(true, uint8(2), uint8(2), []byte{}, []byte{}, int64(1<<48-1), uint16(0), []byte{})
	f.Add(true, uint8(4), uint8(0), []byte{1}, []byte("door"), noon.UnixMilli(), uint16(0), home.AsSlice())
	f.Fuzz(func(t *testing.T, hybrid bool, op, flags uint8, client, door []byte, ms int64, seconds uint16, source []byte) {
		k := keys[0]
		if hybrid {
			k = keys[1]
		}
		h := Header{Op: Op(op), Ack: flags&flagAck != 0, Single: flags&flagSingle != 0, Time: time.UnixMilli(ms).UTC(), Seconds: seconds}
		copy(h.Client[:], client)
		copy(h.Door[:], door)
		bound, _ := netip.AddrFromSlice(source)
		s, err := Seal(k.Public(), h, bound, fixed(64))
		if err != nil {
			return
		}
		h.Bound = bound.IsValid()
		m, reason := open(NewOpener(key.NewKeyring(k), skew), h.Time, s.Datagram)
		if reason != "" || m.Header != h {
			t.Errorf("sealed %+v, opened %+v, %q", h, m, reason)
		}
	})
}

// An acknowledgement is accepted if and only if it is what would be written.
func FuzzAck(f *testing.F) {
	for _, a := range []Ack{
		{Status: Opened, Time: noon, Source: home, Doors: doors(3), Total: 3},
		{Status: Refused, Reason: NotOpened, Time: noon, Source: abroad, OldKey: true},
	} {
		plain, err := a.marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		a, err := parseAck(plain)
		if err != nil {
			return
		}
		if again, err := a.marshal(); err != nil || !bytes.Equal(again, plain) {
			t.Errorf("read %x as %+v, wrote %x, %v", plain, a, again, err)
		}
	})
}
