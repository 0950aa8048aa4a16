package stun

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/stun/stuntest"
)

const password = "tBScHsRA2cLjn/K79mJcDOPpzHsEFnHV"

// The published requests are read, and the published answers written.
func TestVectors(t *testing.T) {
	n := 0
	for _, file := range []string{"vectors", "enrol"} {
		text, err := os.ReadFile("../spa/testdata/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			Vectors []struct {
				Knock       string
				ICEPwd      string `json:"ice_pwd"`
				STUNRequest string `json:"stun_request"`
				STUNAnswer  string `json:"stun_answer"`
				Answer      struct{ Source netip.Addr }
			}
		}
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		for _, v := range v.Vectors {
			if v.ICEPwd == "" {
				continue
			}
			n++
			raw, _ := hex.DecodeString(v.STUNRequest)
			r, ok := Parse(raw)
			var place [MaxMessage + 1]byte
			m, whole := r.Message(&place)
			if !ok || !whole || hex.EncodeToString(m) != v.Knock || !r.Verify(v.ICEPwd) || r.Verify(password+"x") {
				t.Errorf("request %d: %v %v", n, ok, whole)
			}
			if got := Success(r.ID(), netip.AddrPortFrom(v.Answer.Source, 40000), v.ICEPwd); hex.EncodeToString(got) != v.STUNAnswer {
				t.Errorf("answer %d: %x\nwant      %s", n, got, v.STUNAnswer)
			}
		}
	}
	if n < 8 {
		t.Errorf("%d vectors", n)
	}
}

// Whatever a browser would not write is refused.
func TestRefuses(t *testing.T) {
	message := bytes.Repeat([]byte{0xfb}, 144)
	for name, b := range map[string]stuntest.Browser{"firefox": stuntest.Firefox, "chromium": stuntest.Chromium} {
		good := b.Request(message, password)
		r, ok := Parse(good)
		if len(good) != 284 || !ok || !r.Verify(password) {
			t.Fatalf("%s: %d bytes, %v", name, len(good), ok)
		}
		for i := range good { // the fingerprint covers all
			bad := slices.Clone(good)
			bad[i] ^= 1
			if _, ok := Parse(bad); ok {
				t.Errorf("%s: byte %d may be another", name, i)
			}
		}
		for cut := range good {
			if _, ok := Parse(good[:cut]); ok {
				t.Errorf("%s: %d bytes are taken", name, cut)
			}
		}
	}
	whole := base64.StdEncoding.EncodeToString(message)
	cut := func(text string) []byte { return stuntest.Firefox.Text(text, password) }
	head := stuntest.Firefox.Request(message, password)[:20]
	with := func(parts ...[]byte) []byte {
		return stuntest.Close(slices.Concat(append([][]byte{head}, parts...)...), password)
	}
	name := slices.Concat([]byte{0, 6}, binary.BigEndian.AppendUint16(nil, 193), []byte(whole+":"), make([]byte, 3))
	filler := slices.Concat([]byte{0x80, 0x2a, 0, 24}, make([]byte, 24))
	if _, ok := Parse(with(name, filler)); !ok {
		t.Fatal("the base of what follows is refused")
	}
	dirty := slices.Clone(name)
	dirty[len(dirty)-1] = 1
	for what, raw := range map[string][]byte{
		"padding not zero":       with(dirty, filler),
		"not first":              with(filler, name),
		"twice":                  with(name, []byte{0, 6, 0, 0}, filler),
		"integrity in between":   with(name, slices.Concat([]byte{0, 8, 0, 20}, make([]byte, 20)), filler),
		"fingerprint in between": with(name, []byte{0x80, 0x28, 0, 4, 1, 2, 3, 4}, filler),
		"attribute too long":     with(name, slices.Concat([]byte{0x80, 0x2a, 0, 25}, make([]byte, 24))),
		"attribute cut":          with(name, filler, []byte{0x80, 0x2a}, []byte{0, 8}),
		"no colon":               stuntest.Close(slices.Concat(head, []byte{0, 6, 0, 192}, []byte(whole), filler), password),
	} {
		if _, ok := Parse(raw); ok {
			t.Errorf("%s: taken", what)
		}
	}
	for what, text := range map[string]string{
		"padding": whole[:190] + "==", "unused bits": whole[:191] + "B" + "B", "url alphabet": strings.Replace(whole, "+", "-", 1),
		"line end": whole[:96] + "\r\n" + whole[98:], "space": whole[:191] + " ",
	} {
		r, ok := Parse(cut(text))
		if !ok {
			continue
		}
		if _, ok := r.Message(&[MaxMessage + 1]byte{}); ok {
			t.Errorf("%s: taken", what)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(stuntest.Firefox.Request(make([]byte, 144), password), true)
	f.Add(stuntest.Chromium.Request(make([]byte, 177), password), false)
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if mend && len(b) > 60 && len(b) <= MaxLength { // past length and fingerprint
			b = slices.Clone(b)
			copy(b, []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42})
			b = stuntest.Close(b[:(len(b)-32)&^3], password)
		}
		r, ok := Parse(b)
		if !ok {
			return
		}
		var place [MaxMessage + 1]byte
		if m, ok := r.Message(&place); ok && base64.RawStdEncoding.EncodeToString(m) != string(r.text) {
			t.Errorf("%q is another way to write %x", r.text, m)
		}
		if mend != r.Verify(password) && mend {
			t.Error("what was made with the password is not known")
		}
	})
}

// Nothing is allocated for what strangers send.
func TestRefusingAllocatesNothing(t *testing.T) {
	raw := stuntest.Chromium.Request(make([]byte, 144), password)
	var place [MaxMessage + 1]byte
	if n := testing.AllocsPerRun(100, func() {
		r, _ := Parse(raw)
		_, _ = r.Message(&place)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkJunk(b *testing.B) {
	raw := stuntest.Firefox.Request(make([]byte, 144), password)
	var place [MaxMessage + 1]byte
	b.ReportAllocs()
	for b.Loop() {
		r, _ := Parse(raw)
		_, _ = r.Message(&place)
	}
}
