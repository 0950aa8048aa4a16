package key

import (
	"strings"
	"testing"
	"time"
)

func TestKeyringRoundTrip(t *testing.T) {
	first, second, third := generate(t, Hybrid), generate(t, X25519), generate(t, Hybrid)
	until := time.Date(2031, 1, 2, 3, 4, 5, 678, time.FixedZone("", 3600))
	one := NewKeyring(first)
	two := one.Rotate(second, until)
	three := two.Rotate(third, until.Add(time.Hour))
	for _, tc := range []struct {
		name              string
		ring              Keyring
		current, previous Private
		until             time.Time
	}{
		{"new", one, first, Private{}, time.Time{}},
		{"rotated", two, second, first, time.Date(2031, 1, 2, 2, 4, 5, 0, time.UTC)},
		{"rotated again: the oldest is gone", three, third, second, time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)},
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
				previous, until := r.Previous()
				if r.Current().Reveal() != tc.current.Reveal() || previous.Reveal() != tc.previous.Reveal() || !until.Equal(tc.until) {
					t.Errorf("previous until %v: not what was put in", until)
				}
			}
		})
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
		{"an empty line", text + "\n", "4 lines: want two or three"},
		{"DOS line ends", replace("\nprevious", "\r\nprevious"), "line 2: server private key: " + errDamaged.Error()},
		{"public key", keyringHead + "current " + ring.Current().Public().Text() + "\n", "line 2: server private key: that is a server's public key: want its private key"},
		{"two spaces", replace("current ", "current  "), "line 2: server private key: not a server key: want " + privatePrefix + "…"},
		{"no time", replace(" until 2031-01-02T03:04:05Z", ""), `line 3: want "previous KEY until TIME"`},
		{"time in a zone", replace("05Z", "05+00:00"), `line 3: time "2031-01-02T03:04:05+00:00"` + badTime},
		{"time with a fraction", replace("05Z", "05.5Z"), `line 3: time "2031-01-02T03:04:05.5Z"` + badTime},
		{"no such day", replace("01-02T", "02-30T"), `line 3: time "2031-02-30T03:04:05Z"` + badTime},
		{"the wrong order", replace("previous ", "current "), `line 3: want "previous KEY until TIME"`},
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
