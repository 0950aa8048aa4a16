package key

import (
	"strings"
	"testing"
	"time"
)

func TestKeyringRoundTrip(t *testing.T) {
	first, second, third, small, next := generate(t, Hybrid), generate(t, Hybrid), generate(t, Hybrid), generate(t, X25519), generate(t, X25519)
	until := time.Date(2031, 1, 2, 3, 4, 5, 678, time.FixedZone("", 3600))
	cut := time.Date(2031, 1, 2, 2, 4, 5, 0, time.UTC)
	one := NewKeyring(first)
	two := one.Rotate(second, until)
	both := two.Rotate(small, until)
	for _, tc := range []struct {
		name string
		ring Keyring
		want []Held
	}{
		{"new", one, []Held{{Current: first}}},
		{"rotated", two, []Held{{second, first, cut}}},
		{"rotated again: the oldest is gone", two.Rotate(third, until.Add(time.Hour)), []Held{{third, second, cut.Add(time.Hour)}}},
		{"a key of the other suite stands beside", both, []Held{{second, first, cut}, {Current: small}}},
		{"each is rotated for itself", both.Rotate(next, until), []Held{{second, first, cut}, {next, small, cut}}},
		{"the hybrid one comes first", NewKeyring(small).Rotate(first, until), []Held{{Current: first}, {Current: small}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, err := tc.ring.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseKeyring(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []Keyring{tc.ring, again} {
				if len(r.All()) != len(tc.want) || r.Current().Reveal() != tc.want[0].Current.Reveal() {
					t.Fatalf("%d suites, want %d", len(r.All()), len(tc.want))
				}
				for i, h := range r.All() {
					w := tc.want[i]
					if h.Current.Reveal() != w.Current.Reveal() || h.Previous.Reveal() != w.Previous.Reveal() || !h.Until.Equal(w.Until) {
						t.Errorf("%v: not what was put in", h.Suite())
					}
					if of, ok := r.Of(h.Suite()); !ok || of.Current.Reveal() != w.Current.Reveal() {
						t.Errorf("%v is not found", h.Suite())
					}
				}
			}
		})
	}
	if _, ok := one.Of(X25519); ok || !(Keyring{}).IsZero() || !(Keyring{}).Current().IsZero() {
		t.Error("keys that are not there")
	}
}

func TestParseKeyringRefuses(t *testing.T) {
	ring := NewKeyring(generate(t, X25519)).Rotate(generate(t, X25519), time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))
	raw, err := ring.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	replace := func(old, new string) string { return strings.Replace(text, old, new, 1) }
	const damaged = "not one, or cut short: restore it from a backup, or make a new key and hand out new profiles"
	const badTime = `: want one such as 2031-01-02T03:04:05Z`
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", damaged},
		{"no newline at the end", text[:len(text)-1], damaged},
		{"no comment", text[len(keyringHead):], damaged},
		{"comment alone", keyringHead, damaged},
		{"no key", keyringHead + "\n", `line 2: want "current KEY"`},
		{"an empty line", text + "\n", `line 4: want "current KEY"`},
		{"DOS line ends", replace("\nprevious", "\r\nprevious"), "line 2: server private key: " + errDamaged.Error()},
		{"public key", keyringHead + "current " + ring.Current().Public().Text() + "\n", "line 2: server private key: that is a server's public key: want its private key"},
		{"two spaces", replace("current ", "current  "), "line 2: server private key: not a server key: want " + privatePrefix + "…"},
		{"no time", replace(" until 2031-01-02T03:04:05Z", ""), `line 3: want "previous KEY until TIME"`},
		{"time in a zone", replace("05Z", "05+00:00"), `line 3: time "2031-01-02T03:04:05+00:00"` + badTime},
		{"time with a fraction", replace("05Z", "05.5Z"), `line 3: time "2031-01-02T03:04:05.5Z"` + badTime},
		{"no such day", replace("01-02T", "02-30T"), `line 3: time "2031-02-30T03:04:05Z"` + badTime},
		{"the wrong order", replace("previous ", "current "), "line 3: server private key: " + errDamaged.Error()},
		{"two keys of a suite", text[:strings.Index(text, "\nprevious")+1] + text[len(keyringHead):], "line 3: a second key of a suite, or in the wrong order"},
		{"too many", text + strings.Repeat(text[len(keyringHead):], 2), "7 lines: want two to five"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParseKeyring([]byte(tc.text))
			if err == nil || err.Error() != "server key file: "+tc.want {
				t.Fatalf("got  %v\nwant %v", err, tc.want)
			}
			if strings.Contains(err.Error(), ring.Current().Reveal()[40:60]) {
				t.Error("the error tells the secret")
			}
		})
	}
}

func FuzzParseKeyring(f *testing.F) {
	ring := NewKeyring(generate(f, X25519))
	for _, r := range []Keyring{ring, ring.Rotate(generate(f, Hybrid), time.Unix(1e9, 0))} {
		text, err := r.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ring, err := ParseKeyring(text)
		if err != nil {
			return
		}
		if again, err := ring.Marshal(); err != nil || string(again) != string(text) {
			t.Errorf("read %q, wrote %q, %v", text, again, err)
		}
	})
}
