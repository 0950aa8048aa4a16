package packet

import (
	"slices"
	"strings"
	"testing"
)

func TestParseRange(t *testing.T) {
	for text, want := range map[string]int{
		"tcp/22": 1, "udp/60000-60050": 51, "tcp/1-65535": 65535, "tcp/1-2": 2,
		"tcp/22-22": 0, "tcp/23-22": 0, "tcp/22-": 0, "tcp/-22": 0, "tcp/022-23": 0, "tcp/22-023": 0, "tcp/22-65536": 0,
		"tcp/22-tcp/23": 0, "tcp/22-23-24": 0, "tcp/22 - 23": 0, "sctp/22-23": 0, "22-23": 0, "tcp/0-5": 0, "": 0,
	} {
		r, err := ParseRange(text)
		list := r.Ports()
		if (err == nil) != (want > 0) || err == nil && len(list) != want {
			t.Errorf("%q: %d ports, %v; want %d", text, len(list), err, want)
		}
	}
}

func TestSpell(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"tcp/22":                               "tcp/22",
		"tcp/80 tcp/81":                        "tcp/80 tcp/81",
		"tcp/80 tcp/81 tcp/82":                 "tcp/80-82",
		"tcp/80 tcp/81 udp/82 udp/83 udp/84":   "tcp/80 tcp/81 udp/82-84",
		"tcp/82 tcp/81 tcp/80":                 "tcp/82 tcp/81 tcp/80",
		"udp/65533 udp/65534 udp/65535 tcp/22": "udp/65533-65535 tcp/22",
	} {
		var list []Port
		for _, w := range strings.Fields(in) {
			p, err := ParsePort(w)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, p)
		}
		if got := strings.Join(Spell(list), " "); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// What is read is written so that the same is read again.
func FuzzParseRange(f *testing.F) {
	f.Add("tcp/22")
	f.Add("udp/60000-60050")
	f.Add("tcp/1-2")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRange(text)
		if err != nil {
			return
		}
		list := r.Ports()
		var again []Port
		for _, w := range Spell(list) {
			part, err := ParseRange(w)
			if err != nil {
				t.Fatalf("%q is written as %q: %v", text, w, err)
			}
			again = append(again, part.Ports()...)
		}
		if !slices.Equal(list, again) {
			t.Errorf("%q is read as %v and written as %v", text, list, again)
		}
	})
}
