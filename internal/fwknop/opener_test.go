package fwknop

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"sallyport/internal/fwknop/fwknoptest"
)

// several returns keys with all kinds of hashes. Their keys are test vectors.
func several(tb testing.TB, n int, digest func(int) string) []*Key {
	tb.Helper()
	var keys []*Key
	for i := range n {
		k, err := NewKey(fmt.Appendf(nil, "encryption %d", i), fmt.Appendf(nil, "authentication %d", i), CBC, digest(i))
		if err != nil {
			tb.Fatal(err)
		}
		keys = append(keys, k)
	}
	return keys
}

func anyDigest(i int) string { return Digests()[i%len(Digests())] }

func TestOpenerFindsWhoseItIs(t *testing.T) {
	keys := several(t, MaxKeys, func(int) string { return DefaultDigest })
	o := NewOpener(keys)
	for i := range keys {
		payload := fwknoptest.Packet{Time: time.Unix(1e9, 0), Message: "0.0.0.0,tcp/22", User: fmt.Sprint(i)}.Seal(t, keys[i].encryption, keys[i].mac)
		found, err := o.Find(payload)
		if err != nil || found != i {
			t.Errorf("key %d: found %d, %v", i, found, err)
			continue
		}
		if m, err := o.Open(found, payload); err != nil || m.User != fmt.Sprint(i) {
			t.Errorf("key %d: %+v, %v", i, m, err)
		}
	}
	stranger := fwknoptest.Packet{Time: time.Unix(1e9, 0), Message: "0.0.0.0,tcp/22"}.Seal(t, []byte("encryption 0"), []byte("of a stranger"))
	if _, err := o.Find(stranger); !errors.Is(err, ErrMAC) {
		t.Errorf("a stranger's: %v", err)
	}
	if _, err := NewOpener(nil).Find(stranger); !errors.Is(err, ErrMAC) {
		t.Errorf("without keys: %v", err)
	}
}

func TestOpenerOfAllDigests(t *testing.T) {
	o := NewOpener(several(t, MaxKeys, anyDigest))
	for _, n := range []int{MinLength, MinLength + 1, MaxLength} {
		if _, err := o.Find(bytes.Repeat([]byte("A"), n)); !errors.Is(err, ErrMAC) {
			t.Errorf("%d characters: %v", n, err)
		}
	}
}

// Junk costs no memory, or a flood would keep the collector busy.
func TestJunkCostsNoMemory(t *testing.T) {
	o := NewOpener(several(t, MaxKeys, func(int) string { return DefaultDigest }))
	for name, payload := range map[string][]byte{"form": bytes.Repeat([]byte("?"), 300), "hash": bytes.Repeat([]byte("A"), 300)} {
		if n := testing.AllocsPerRun(100, func() { _, _ = o.Find(payload) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// ParseBase64 takes what fwknop --key-gen prints.
func TestParseBase64(t *testing.T) {
	for text, want := range map[string]string{"YWJj": "abc", "YWI=": "ab", "YWI": "ab"} {
		if b, err := ParseBase64(text); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", text, b, err)
		}
	}
	for _, text := range []string{"YW I=", "YWI%", "YWJ=", "Y"} { // the third has bits behind the end
		if b, err := ParseBase64(text); err == nil {
			t.Errorf("%s is taken as %q", text, b)
		}
	}
}

// What a stranger's packet costs with as many clients as there may be.
func BenchmarkJunk(b *testing.B) {
	o := NewOpener(several(b, MaxKeys, func(int) string { return DefaultDigest }))
	payload := bytes.Repeat([]byte("A"), 230)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = o.Find(payload)
	}
}
