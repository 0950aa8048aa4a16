package admission_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	. "sallyport/internal/fleet/admission"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
)

func invitation(t testing.TB) *Invitation {
	t.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Invitation{Gate: "tokyo-1", Groups: []string{"tokyo"}, Endpoints: []string{"192.0.2.1:2379", "etcd2.example.org:2379"}, CA: []byte("-----BEGIN CERTIFICATE-----\n"),
		Fleet: roll.Hash{1}, Head: roll.Head{Number: 418, Hash: roll.Hash{2}}, Until: time.Unix(1<<31, 0), Seed: k.Seed()}
}

func TestInvitation(t *testing.T) {
	i := invitation(t)
	got, err := Parse(" " + i.Text() + "\n")
	if err != nil || got.Text() != i.Text() || got.Head != i.Head || !got.Until.Equal(i.Until) || !got.Key().Equal(i.Key()) {
		t.Fatalf("%+v, %v", got, err)
	}
	text := i.Text()
	for n := range text {
		if _, err := Parse(text[:n]); err == nil {
			t.Fatalf("the first %d characters are an invitation", n)
		}
	}
}

func TestRequest(t *testing.T) {
	gate, private, _ := rolltest.Gate(t, "tokyo-1")
	i := invitation(t)
	text, err := (&Request{Fleet: i.Fleet, Gate: gate}).Sign(private, i.Key())
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParseRequest(text)
	if err != nil || q.Gate.Name != "tokyo-1" || q.Replace || !q.Voucher.Equal(i.Key().Public()) || q.Fleet != i.Fleet {
		t.Fatalf("%+v, %v", q, err)
	}
	for n := range text {
		bad := bytes.Clone(text)
		bad[n] ^= 1
		if _, err := ParseRequest(bad); err == nil {
			t.Fatalf("with another byte %d it is a request", n)
		}
	}
	_, stolen, _ := ed25519.GenerateKey(nil)
	text, _ = (&Request{Fleet: i.Fleet, Gate: gate}).Sign(stolen, i.Key())
	if _, err := ParseRequest(text); err == nil {
		t.Error("a gate's key without its private half is taken")
	}
	text, _ = (&Request{Fleet: i.Fleet, Gate: gate, Replace: true}).Sign(private, stolen)
	if q, err := ParseRequest(text); err != nil || !q.Replace || q.Change().String() != `gate "tokyo-1" is changed` {
		t.Errorf("%+v, %v", q, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(invitation(f).Text())
	f.Fuzz(func(t *testing.T, text string) {
		if i, err := Parse(text); err == nil && !bytes.Contains([]byte(text), []byte(i.Text())) {
			t.Error("it accepts what it would not write")
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	gate, private, _ := rolltest.Gate(f, "tokyo-1")
	text, _ := (&Request{Gate: gate}).Sign(private, private)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) { _, _ = ParseRequest(text) })
}
