package fwknop

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// vectors are packets of the real client, and crafted ones with what the real
// server said of them. Their keys are test vectors and protect nothing.
type vectors struct {
	Valid    []valid
	Verdicts []struct {
		Name, Wire, Access, Verdict, Stage string
		Keys                               map[string]string
	}
}

type valid struct {
	Name, Wire string
	Mode       string  `json:"encryption_mode"`
	Key        string  `json:"encryption_key_hex"`
	Digest     *string `json:"hmac_type"`
	MAC        *string `json:"hmac_key_hex"`
	Decoded    struct {
		Rand, Username, Message string
		Timestamp               int64
		Timeout                 *int64 `json:"client_timeout"`
		Type                    int    `json:"message_type"`
	}
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPacketsOfTheRealClient(t *testing.T) {
	taken := 0
	for _, v := range readVectors(t).Valid {
		if v.MAC == nil {
			continue // refused everywhere: see TestWithoutKeyedHash
		}
		k, err := NewKey(unhex(t, v.Key), unhex(t, *v.MAC), Mode(v.Mode), *v.Digest)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		m, err := k.Open([]byte(v.Wire))
		switch {
		case strings.Contains(v.Name, "http"):
			if !errors.Is(err, ErrForm) {
				t.Errorf("%s: %v", v.Name, err)
			}
			continue
		case v.Decoded.Type != 1 && v.Decoded.Type != 3:
			if !errors.Is(err, ErrNotTaken) {
				t.Errorf("%s: %v", v.Name, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		taken++
		source, port, _ := strings.Cut(v.Decoded.Message, ",")
		if source == "0.0.0.0" && m.Source.IsValid() || source != "0.0.0.0" && m.Source.String() != source {
			t.Errorf("%s: source %v", v.Name, m.Source)
		}
		if len(m.Ports) != 1 || m.Ports[0].String() != port || m.User != v.Decoded.Username || m.Time.Unix() != v.Decoded.Timestamp {
			t.Errorf("%s: %+v", v.Name, m)
		}
		if v.Decoded.Timeout != nil && m.Timeout != time.Duration(*v.Decoded.Timeout)*time.Second {
			t.Errorf("%s: timeout %s", v.Name, m.Timeout)
		}
	}
	if taken < 15 {
		t.Errorf("only %d packets were read", taken)
	}
}

// A packet without a keyed hash is refused whatever else is right about it.
func TestWithoutKeyedHash(t *testing.T) {
	n := 0
	for _, v := range readVectors(t).Valid {
		if v.MAC != nil {
			continue
		}
		n++
		k := &Key{mode: CBC, encryption: unhex(t, v.Key), mac: []byte("another key"), digest: DefaultDigest}
		if _, err := k.Open([]byte(v.Wire)); !errors.Is(err, ErrMAC) {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
	if n < 3 {
		t.Errorf("only %d packets", n)
	}
}

// What the real server refuses is refused, and by the same step. What it accepts
// is read, but for a command.
func TestVerdictsOfTheRealServer(t *testing.T) {
	want := map[string]error{"prefilter": ErrForm, "hmac": ErrMAC, "decrypt": ErrContent, "decode": ErrContent}
	differs := map[string]error{ // with the reason
		"n04-hmac-missing":              ErrMAC,
		"n18-long-1501":                 ErrForm,
		"n30-ts-text":                   ErrContent, // the real server takes it for the time 0
		"n68-nat-missing":               ErrNotTaken,
		"n70-400-char":                  ErrContent, // a field for a password of the server, which is not supported
		"n74-total-417-body-374-sha256": nil,        // the real server takes any long packet for one of GnuPG
		"n76-total-418-body-332-sha512": nil,
		"c23-first-stanza":              ErrMAC, // made with the key of another stanza
		"c27-hmac-to-nohmac-stanza":     nil,    // the stanza has no key for the hash; ours always has
		"c35-cmd-exec":                  ErrNotTaken,
	}
	for _, v := range readVectors(t).Verdicts {
		digest := DefaultDigest
		if _, after, ok := strings.Cut(v.Access, "HMAC_DIGEST_TYPE "); ok {
			digest = strings.Fields(after)[0]
		}
		k, err := NewKey([]byte(v.Keys["encryption_key_text"]), []byte(v.Keys["hmac_key_text"]), CBC, digest)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Open([]byte(v.Wire))
		expected, ok := differs[v.Name]
		if !ok {
			expected = want[v.Stage]
		}
		if !errors.Is(err, expected) {
			t.Errorf("%s (%s): %v, want %v", v.Name, v.Stage, err, expected)
		}
	}
}

func TestKeys(t *testing.T) {
	long := strings.Repeat("k", 129)
	for name, c := range map[string]struct {
		key, mac, mode, digest string
		ok                     bool
	}{
		"good":           {"12345678", "abcdefgh", "cbc", "sha256", true},
		"short":          {"1234567", "abcdefgh", "cbc", "sha256", false},
		"no hmac":        {"12345678", "", "cbc", "sha256", false},
		"long":           {long, "abcdefgh", "cbc", "sha256", false},
		"equal":          {"12345678", "12345678", "cbc", "sha256", false},
		"unknown mode":   {"12345678", "abcdefgh", "gpg", "sha256", false},
		"unknown digest": {"12345678", "abcdefgh", "cbc", "crc32", false},
	} {
		k, err := NewKey([]byte(c.key), []byte(c.mac), Mode(c.mode), c.digest)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "abcdefgh") || strings.Contains(err.Error(), "12345678")) {
			t.Errorf("%s: the error holds the key: %v", name, err)
		}
		if k != nil && strings.Contains(fmt.Sprintf("%v %+v %#v %s", k, k, k, k), "abcdefgh") {
			t.Errorf("%s: the key is printed", name)
		}
	}
}

func TestReadAccess(t *testing.T) {
	source, ports, err := readAccess("198.51.100.7,tcp/22,udp/53,tcp/22")
	if err != nil || source != netip.MustParseAddr("198.51.100.7") || fmt.Sprint(ports) != "[tcp/22 udp/53]" {
		t.Errorf("%v, %v, %v", source, ports, err)
	}
	for _, text := range []string{"", "198.51.100.7", "fe80::1,tcp/22", "::ffff:198.51.100.7,tcp/22", "198.51.100.7,tcp/0", "198.51.100.7,", "host,tcp/22"} {
		if _, _, err := readAccess(text); !errors.Is(err, ErrContent) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A changed character anywhere is noticed, also in what base64 leaves unused.
func TestNoCharacterIsFree(t *testing.T) {
	v := readVectors(t).Valid
	i := slices.IndexFunc(v, func(v valid) bool { return strings.HasPrefix(v.Name, "03") })
	k, err := NewKey(unhex(t, v[i].Key), unhex(t, *v[i].MAC), CBC, *v[i].Digest)
	if err != nil {
		t.Fatal(err)
	}
	wire := []byte(v[i].Wire)
	if _, err := k.Open(wire); err != nil {
		t.Fatal(err)
	}
	for at := range wire {
		for _, c := range []byte("Ag+/9") {
			if wire[at] == c {
				continue
			}
			changed := slices.Clone(wire)
			changed[at] = c
			if _, err := k.Open(changed); err == nil {
				t.Fatalf("character %d may be %q", at, c)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	k, err := NewKey([]byte("a test passphrase"), []byte("another one, longer"), CBC, DefaultDigest)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(strings.Repeat("A", 200)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if _, err := k.Open(payload); err == nil {
			t.Error("opened without the key")
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("1374679427108285:YWxpY2U:1795424978:3.0.0:1:MTk4LjUxLjEwMC43LHRjcC8yMg"))
	f.Add([]byte("1374679427108285:YWxpY2U:1795424978:3.0.0:3:MTk4LjUxLjEwMC43LHRjcC8yMg:65535"))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		h := digests["sha256"]()
		h.Write(encoded)
		m, err := read([]byte(string(encoded) + ":" + raw.EncodeToString(h.Sum(nil))))
		if err == nil && (len(m.Ports) == 0 || m.Timeout < 0 || m.Timeout > 65535*time.Second || m.User == "") {
			t.Errorf("%q is read as %+v", encoded, m)
		}
	})
}

// What a packet of a stranger costs: for each client the keyed hash, and no more.
func BenchmarkStranger(b *testing.B) {
	k, err := NewKey([]byte("a test passphrase"), []byte("another one, longer"), CBC, DefaultDigest)
	if err != nil {
		b.Fatal(err)
	}
	payload := []byte(strings.Repeat("A", 225))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(payload); !errors.Is(err, ErrMAC) {
			b.Fatal(err)
		}
	}
}
