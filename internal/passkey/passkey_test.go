package passkey

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

const origin = "https://knock.example.org:8443"

// device is a passkey with its private half.
type device struct {
	*Key
	sign func(data []byte) []byte
}

func newDevice(t testing.TB, kind, origin string) device {
	t.Helper()
	var raw []byte
	var d device
	if kind == EdDSA {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		raw, d.sign = public, func(data []byte) []byte { return ed25519.Sign(private, data) }
	} else {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		raw = elliptic.MarshalCompressed(elliptic.P256(), private.X, private.Y)
		d.sign = func(data []byte) []byte {
			sum := sha256.Sum256(data)
			r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
			if err != nil {
				t.Fatal(err)
			}
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	}
	key, err := Parse(kind + " " + base64.StdEncoding.EncodeToString(raw) + " " + origin)
	if err != nil {
		t.Fatal(err)
	}
	d.Key = key
	return d
}

// prove signs as a browser and its authenticator do, each word written out.
func (d device) prove(text, host string, flags byte, form byte) []byte {
	sum, client := sha256.Sum256([]byte(host)), sha256.Sum256([]byte(text))
	counter := []byte{0, 0, 1, 2}
	signature := d.sign(bytes.Join([][]byte{sum[:], {flags}, counter, client[:]}, nil))
	return bytes.Join([][]byte{signature, {flags}, counter, {form}}, nil)
}

func challengeOf(data string) string {
	sum := sha256.Sum256([]byte(data))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// What a browser signs in any of its forms is a proof; what differs in a word, a flag
// or a bit is none.
func TestVerify(t *testing.T) {
	const data, host = "the text", "knock.example.org"
	plain := `{"type":"webauthn.get","challenge":"` + challengeOf(data) + `","origin":"` + origin + `","crossOrigin":false}`
	noted := strings.TrimSuffix(plain, "}") + `,"other_keys_can_be_added_here":"do not compare clientDataJSON against a template. See https://goo.gl/yabPex"}`
	short := strings.Replace(plain, `,"crossOrigin":false`, "", 1)
	replaced := func(old, with string) string { return strings.Replace(plain, old, with, 1) }
	cases := []struct {
		name, text, host string
		flags, form      byte
		good             bool
	}{
		{"plain", plain, host, 5, 0, true},
		{"with a note", noted, host, 5, 1, true},
		{"without crossOrigin", short, host, 5, 2, true},
		{"may be backed up", plain, host, 5 | 8, 0, true},
		{"is backed up", plain, host, 5 | 8 | 16, 0, true},
		{"another form than it says", plain, host, 5, 1, false},
		{"no form", plain, host, 5, 3, false},
		{"no form at all", plain, host, 5, 255, false},
		{"nobody there", plain, host, 4, 0, false},
		{"not verified", plain, host, 1, 0, false},
		{"no flags", plain, host, 0, 0, false},
		{"backed up that may not be", plain, host, 5 | 16, 0, false},
		{"with a key", plain, host, 5 | 64, 0, false},
		{"with extensions", plain, host, 5 | 128, 0, false},
		{"another challenge", replaced(challengeOf(data), challengeOf("else")), host, 5, 0, false},
		{"made, not used", replaced("webauthn.get", "webauthn.create"), host, 5, 0, false},
		{"in a frame of others", replaced("false", "true"), host, 5, 0, false},
		{"another port", replaced(":8443", ""), host, 5, 0, false},
		{"another origin", replaced("knock", "evil"), host, 5, 0, false},
		{"another host", plain, "evil.example.org", 5, 0, false},
		{"the parent's", plain, "example.org", 5, 0, false},
	}
	for _, kind := range []string{ES256, EdDSA} {
		d := newDevice(t, kind, origin)
		for _, c := range cases {
			proof := d.prove(c.text, c.host, c.flags, c.form)
			err := d.Verify([]byte(data), &ssh.Signature{Format: kind, Blob: proof})
			if (err == nil) != c.good {
				t.Errorf("%s, %s: %v", kind, c.name, err)
			}
		}
		proof := d.prove(plain, host, 5, 0)
		for i := range 8 * len(proof) {
			proof[i/8] ^= 1 << (i % 8)
			if d.Verify([]byte(data), &ssh.Signature{Format: kind, Blob: proof}) == nil {
				t.Errorf("%s: bit %d may be another", kind, i)
			}
			proof[i/8] ^= 1 << (i % 8)
		}
		for _, n := range []int{0, 69, 71} {
			if d.Verify([]byte(data), &ssh.Signature{Format: kind, Blob: append(proof, 0)[:n]}) == nil {
				t.Errorf("%s: %d bytes are a proof", kind, n)
			}
		}
		if d.Verify([]byte(data), &ssh.Signature{Format: "ssh-ed25519", Blob: proof}) == nil || newDevice(t, kind, origin).Verify([]byte(data), &ssh.Signature{Format: kind, Blob: proof}) == nil {
			t.Errorf("%s: another key's", kind)
		}
	}
}

// What real browsers have signed, byte for byte.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Browser, Key, Challenge, Proof string
		ClientData                     string `json:"client_data"`
		AuthenticatorData              string `json:"authenticator_data"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	forms := make(map[byte]int)
	for _, v := range list {
		k, err := Parse(v.Key)
		if err != nil {
			t.Fatal(err)
		}
		challenge, proof := [sha256.Size]byte(unhex(t, v.Challenge)), unhex(t, v.Proof)
		if err := k.verify(challenge, proof); err != nil {
			t.Errorf("%s, %s: %v", v.Browser, k.Type(), err)
		}
		form := proof[ProofSize-1]
		forms[form]++
		if got := clientData(challenge, k.Origin(), int(form)); string(got) != v.ClientData {
			t.Errorf("%s: clientDataJSON is\n%s\nwant\n%s", v.Browser, got, v.ClientData)
		}
		if got := hex.EncodeToString(append(k.host[:], proof[flagsAt:formAt]...)); got != v.AuthenticatorData {
			t.Errorf("%s: authenticatorData is %s, want %s", v.Browser, got, v.AuthenticatorData)
		}
	}
	if forms[0] < 3 || forms[1] < 2 {
		t.Errorf("forms %v", forms)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTexts(t *testing.T) {
	good := newDevice(t, ES256, "https://knock.example.org").String()
	fields := strings.Fields(good)
	for _, o := range []string{"https://knock.example.org", "https://a", "https://xn--wgv71a.example", "https://knock.example.org:1", "https://192.0.2.example"} {
		k, err := Parse(fields[0] + " " + fields[1] + " " + o)
		if err != nil || k.String() != fields[0]+" "+fields[1]+" "+o || k.Origin() != o {
			t.Errorf("%s: %v, %v", o, k, err)
		}
	}
	for _, o := range []string{
		"http://knock.example.org", "https://", "https://knock.example.org/", "https://Knock.example.org", "https://knock.example.org:443",
		"https://knock.example.org:0", "https://knock.example.org:065", "https://knock.example.org:65536", "https://knock.example.org:", "https://a:b:c",
		"https://192.0.2.1", "https://[::1]", "https://a..b", "https://.a", `https://a"b`, "https://日本.jp", "https://user@a", "https://" + strings.Repeat("a.", 130) + "a",
	} {
		if _, err := Parse(fields[0] + " " + fields[1] + " " + o); err == nil {
			t.Errorf("%q is an origin", o)
		}
	}
	raw := make([]byte, 33)
	for _, bad := range []string{
		"", ES256, fields[0] + " " + fields[1], good + " alice", "ssh-ed25519 " + fields[1] + " " + fields[2], EdDSA + " " + fields[1] + " " + fields[2],
		ES256 + " " + base64.StdEncoding.EncodeToString(raw) + " " + fields[2], ES256 + " " + fields[1][:40] + " " + fields[2], ES256 + " " + fields[1] + "= " + fields[2],
	} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}

// Whatever text it is: no panic, and what is read is written the same.
func FuzzParse(f *testing.F) {
	f.Add(newDevice(f, ES256, origin).String())
	f.Add(newDevice(f, EdDSA, origin).String())
	f.Fuzz(func(t *testing.T, text string) {
		k, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(k.String()); err != nil || !bytes.Equal(again.Marshal(), k.Marshal()) || again.String() != strings.Join(strings.Fields(text), " ") {
			t.Errorf("%q is written %q", text, k)
		}
	})
}

// Whatever the proof is: no panic, and none but the maker's is taken.
func FuzzVerify(f *testing.F) {
	es, ed := newDevice(f, ES256, origin), newDevice(f, EdDSA, origin)
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{5}, ProofSize))
	f.Add(append(make([]byte, signatureSize), 5, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, proof []byte) {
		for _, d := range []device{es, ed} {
			if d.Verify([]byte("data"), &ssh.Signature{Format: d.Type(), Blob: proof}) == nil {
				t.Errorf("%x is taken", proof)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, kind := range []string{ES256, EdDSA} {
		d := newDevice(b, kind, origin)
		text := clientData(sha256.Sum256([]byte("data")), origin, 0)
		signature := &ssh.Signature{Format: kind, Blob: d.prove(string(text), "knock.example.org", 5, 0)}
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				if err := d.Verify([]byte("data"), signature); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
