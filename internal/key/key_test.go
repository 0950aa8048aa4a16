package key

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

func generate(t testing.TB, s Suite) Private {
	t.Helper()
	k, err := Generate(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTextRoundTrip(t *testing.T) {
	for _, tc := range []struct {
		suite           Suite
		private, public int // characters
		start           string
	}{
		{Hybrid, 28 + 16 + 48, 1670, "sallyport-server-public-v1:mlkem768-x25519:"},
		{X25519, 28 + 7 + 48, 82, "sallyport-server-public-v1:x25519:"},
	} {
		k := generate(t, tc.suite)
		private, err := ParsePrivate(k.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		public, err := ParsePublic(k.Public().Text())
		if err != nil {
			t.Fatal(err)
		}
		if private.Reveal() != k.Reveal() || !private.Public().Equal(public) || !public.Equal(k.Public()) {
			t.Errorf("%v: not the same key again", tc.suite)
		}
		if public.Text() != k.Public().Text() || !strings.HasPrefix(public.Text(), tc.start) || public.Suite() != tc.suite {
			t.Errorf("%v: not the same text again", tc.suite)
		}
		if len(k.Reveal()) != tc.private || len(public.Text()) != tc.public {
			t.Errorf("%v: %d and %d characters", tc.suite, len(k.Reveal()), len(public.Text()))
		}
	}
}

// What one side encapsulates, the holder of the private key and nobody else
// decapsulates.
func TestEncapsulate(t *testing.T) {
	for _, s := range []Suite{Hybrid, X25519} {
		k, other := generate(t, s), generate(t, s)
		enc, sender, err := k.Public().Encapsulate([]byte("info"))
		if err != nil || len(enc) != s.EncSize() {
			t.Fatalf("%v: %d bytes, %v", s, len(enc), err)
		}
		want, err := sender.Export("test", 32)
		if err != nil {
			t.Fatal(err)
		}
		exported := func(k Private, info string) []byte {
			r, err := k.Decapsulate(enc, []byte(info))
			if err != nil {
				return nil
			}
			out, _ := r.Export("test", 32)
			return out
		}
		if !bytes.Equal(exported(k, "info"), want) {
			t.Errorf("%v: another secret came out", s)
		}
		if bytes.Equal(exported(other, "info"), want) || bytes.Equal(exported(k, "other"), want) {
			t.Errorf("%v: the wrong key, or another purpose, gives the secret", s)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	k := generate(t, X25519)
	private, public := k.Reveal(), k.Public().Text()
	changed := func(s string, at int) string {
		b := []byte(s)
		if b[at]++; b[at] == '{' || b[at] == '[' || b[at] == ':' {
			b[at] = 'A'
		}
		return string(b)
	}
	const (
		damaged = "damaged, or cut short (the checksum is wrong): copy the whole line again"
		pub     = "sallyport-server-public-v1:"
	)
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "", "not a server key: want " + pub + "…"},
		{"something else", "hello", "not a server key: want " + pub + "…"},
		{"another version", strings.Replace(public, "-v1:", "-v2:", 1), "not a server key: want " + pub + "…"},
		{"an SSH key", "ssh-ed25519 AAAA", "that is an SSH key: want a server key, " + pub + "…"},
		{"a private key", private, "that is a server's private key, which nobody else should see: want its public key"},
		{"prefix alone", pub, "not a whole key: want " + pub + "SUITE:…, copied as one line"},
		{"unknown suite", pub + "rot13:AAAA", `unknown suite "rot13": want mlkem768-x25519 or x25519`},
		{"other suite", strings.Replace(public, "x25519:", "mlkem768-x25519:", 1), damaged},
		{"no body", pub + "x25519:", damaged},
		{"cut short", public[:len(public)-1], damaged},
		{"first character changed", changed(public, len(pub)+7), damaged},
		{"last character changed", changed(public, len(public)-1), damaged},
		{"space before", " " + public, "not a server key: want " + pub + "…"},
		{"space after", public + " ", damaged},
		{"line end after", public + "\n", damaged},
		{"line end within", public[:50] + "\n" + public[50:], damaged},
		{"padding", public + "=", damaged},
		{"huge", pub + "x25519:" + strings.Repeat("A", 1<<20), "not a whole key: want " + pub + "SUITE:…, copied as one line"},
		{"too few bytes", encode(publicPrefix, X25519, make([]byte, 31)), "31 bytes: want 32"},
		{"private where public", encode(publicPrefix, Hybrid, make([]byte, 32)), "32 bytes: want 1216"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := ParsePublic(tc.text); err == nil || err.Error() != "server public key: "+tc.want {
				t.Errorf("got  %v\nwant %v", err, tc.want)
			}
		})
	}
	for _, tc := range []struct{ name, text, want string }{
		{"a public key", public, "that is a server's public key: want its private key"},
		{"changed", changed(private, 50), damaged},
		{"not clamped", encode(privatePrefix, X25519, bytes.Repeat([]byte{0xff}, 32)), "not one that Sallyport has made"},
		{"too long", encode(privatePrefix, X25519, make([]byte, 33)), "33 bytes: want 32"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParsePrivate(tc.text)
			if err == nil || err.Error() != "server private key: "+tc.want {
				t.Errorf("got  %v\nwant %v", err, tc.want)
			}
		})
	}
	// ML-KEM has coefficients below 3329, in twelve bits.
	if _, err := ParsePublic(encode(publicPrefix, Hybrid, bytes.Repeat([]byte{0xff}, 1216))); err == nil {
		t.Error("a hybrid key with coefficients out of range passes")
	}
}

// The secret is in Reveal and nowhere else.
func TestSecretsStaySecret(t *testing.T) {
	for _, s := range []Suite{Hybrid, X25519} {
		k := generate(t, s)
		wire, err := k.key().Bytes()
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "server", k, "public", k.Public())
		slog.New(slog.NewTextHandler(&log, nil)).Info("key", "server", k, "public", k.Public())
		if strings.Count(log.String(), k.Public().Fingerprint()) != 4 {
			t.Errorf("logged as %s", &log)
		}
		encoded, err := json.Marshal(struct{ Server Private }{k})
		if err != nil {
			t.Fatal(err)
		}
		shown := log.String() + string(encoded)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			shown += fmt.Sprintf(verb, k) + fmt.Sprintf(verb, &k) + fmt.Sprintf(verb, NewKeyring(k))
		}
		for _, form := range []string{k.Reveal(), string(wire), fmt.Sprintf("%x", wire), fmt.Sprint(wire), fmt.Sprintf("%x", wire[:8]), strings.Trim(fmt.Sprint(wire[:8]), "[]")} {
			if strings.Contains(shown, form) {
				t.Errorf("%v: printed: %s", s, form)
			}
		}
		if _, ok := any(k).(fmt.Stringer); ok || reflect.TypeFor[Private]().Comparable() {
			t.Error("has String, or can be compared")
		}
	}
}

func TestZero(t *testing.T) {
	var private Private
	var public Public
	if !private.IsZero() || !public.IsZero() || private.Reveal() != "" || public.Text() != "" || public.Fingerprint() != "none" {
		t.Error("no key looks like one")
	}
	if _, _, err := public.Encapsulate(nil); err == nil {
		t.Error("encapsulated to no key")
	}
	if _, err := private.Decapsulate(make([]byte, 32), nil); err == nil {
		t.Error("decapsulated with no key")
	}
	if _, err := Generate(7); err == nil {
		t.Error("made a key of no suite")
	}
	if _, err := (Keyring{}).Marshal(); err == nil {
		t.Error("wrote no key")
	}
}

func TestEpoch(t *testing.T) {
	for _, tc := range []struct {
		at   time.Time
		want int64
	}{
		{time.Unix(0, 0), 0}, {time.Unix(511, 999999999), 0}, {time.Unix(512, 0), 1},
		{time.Unix(-1, 0), -1}, {time.UnixMilli(1 << 40), 1 << 40 / 512000},
	} {
		if got := Epoch(tc.at); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.at, got, tc.want)
		}
	}
}

func TestDerivedKeysDiffer(t *testing.T) {
	a, b := generate(t, X25519).Public(), generate(t, X25519).Public()
	seen := map[string]string{}
	for name, k := range map[string][]byte{
		"a veil": slice32(a.Veil()), "b veil": slice32(b.Veil()),
		"a moat 1": slice16(a.Moat(1)), "a moat 2": slice16(a.Moat(2)), "a moat -1": slice16(a.Moat(-1)), "b moat 1": slice16(b.Moat(1)),
	} {
		if other, ok := seen[string(k[:16])]; ok {
			t.Errorf("%s = %s", name, other)
		}
		seen[string(k[:16])] = name
	}
	// One function gives the keys of many epochs, whatever it has given before.
	moats := a.Moats()
	for _, epoch := range []int64{1, 2, 1, -1, 1 << 40} {
		want, err := hkdf.Expand(sha256.New, a.prk, "moat"+string(binary.BigEndian.AppendUint64(nil, uint64(epoch))), 16)
		if got := moats(epoch); err != nil || !bytes.Equal(got[:], want) {
			t.Errorf("epoch %d: %x, want %x, %v", epoch, got, want, err)
		}
	}
}

func slice16(k [16]byte) []byte { return k[:] }
func slice32(k [32]byte) []byte { return k[:] }

func FuzzParse(f *testing.F) {
	for _, s := range []Suite{Hybrid, X25519} {
		k := generate(f, s)
		f.Add(k.Reveal())
		f.Add(k.Public().Text())
	}
	f.Add(publicPrefix + "x25519:" + base64.RawURLEncoding.EncodeToString(make([]byte, 36)))
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := ParsePublic(text); err == nil && k.Text() != text {
			t.Errorf("read %q, wrote %q", text, k.Text())
		}
		if k, err := ParsePrivate(text); err == nil && k.Reveal() != text {
			t.Errorf("read %q, wrote %q", text, k.Reveal())
		}
	})
}
