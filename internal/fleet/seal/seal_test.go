package seal_test

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"sallyport/internal/fleet/roll"
	. "sallyport/internal/fleet/seal"
	"sallyport/internal/key"
	"sallyport/internal/sequence"
)

func secret() sequence.Secret {
	var random [20]byte
	_, _ = rand.Read(random[:])
	return sequence.NewSecret(random)
}

func generated(t testing.TB, suite key.Suite) key.Private {
	t.Helper()
	k, err := key.Generate(suite)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var here = Place{roll.Hash{1}, "tokyo-1", "carol"}

func TestSeal(t *testing.T) {
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		t.Run(suite.String(), func(t *testing.T) {
			s, k := secret(), generated(t, suite)
			ring := key.NewKeyring(k)
			by, err := Signer(here.Fleet, here.Client, s)
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := Seal(k.Public(), here, s)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Open(ring, by, here, sealed)
			if err != nil || got != s.At(here.Gate) || got.At(here.Gate) != got {
				t.Fatalf("opened: %v", err)
			}
			if bytes.Contains(sealed, []byte(got.Text())) || bytes.Contains(sealed, []byte(s.Text())) {
				t.Error("the secret can be read")
			}
			ring = ring.Rotate(generated(t, suite), time.Now())
			if _, err := Open(ring, by, here, sealed); err != nil {
				t.Errorf("after a rotation of the gate's key: %v", err)
			}
			notOpened(t, ring, by, sealed)
		})
	}
}

// notOpened tries what a hostile store can do.
func notOpened(t *testing.T, ring key.Keyring, by roll.Hash, sealed []byte) {
	t.Helper()
	for what, p := range map[string]Place{
		"another gate":   {here.Fleet, "tokyo-2", here.Client},
		"another client": {here.Fleet, here.Gate, "dave"},
		"another fleet":  {roll.Hash{2}, here.Gate, here.Client},
	} {
		if _, err := Open(ring, by, p, sealed); err == nil {
			t.Errorf("opened in the place of %s", what)
		}
	}
	newer, _ := Signer(here.Fleet, here.Client, secret())
	if _, err := Open(ring, newer, here, sealed); err == nil {
		t.Error("a secret that has been replaced was opened")
	}
	for i := 0; i < len(sealed); i += 7 {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := Open(ring, by, here, bad); err == nil {
			t.Errorf("opened with another byte %d", i)
		}
		if _, err := Open(ring, by, here, sealed[:i]); err == nil {
			t.Errorf("opened with %d bytes", i)
		}
	}
}

// Another's secret, signed by one who knows that one alone.
func TestSealedByAStranger(t *testing.T) {
	k, mine := generated(t, key.X25519), secret()
	by, _ := Signer(here.Fleet, here.Client, mine)
	sealed, err := Seal(k.Public(), here, secret())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(key.NewKeyring(k), by, here, sealed); err == nil {
		t.Error("a stranger's secret was taken")
	}
}

func FuzzOpen(f *testing.F) {
	s, k := secret(), generated(f, key.X25519)
	by, _ := Signer(here.Fleet, here.Client, s)
	sealed, _ := Seal(k.Public(), here, s)
	f.Add(sealed)
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Open(key.NewKeyring(k), by, here, text); err == nil && !bytes.Equal(text, sealed) {
			t.Error("opened what was not sealed")
		}
	})
}
