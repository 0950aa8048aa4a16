package lint

import (
	"crypto/rand"
	"encoding/base32"
	"os"
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/packet"
	"sallyport/internal/sequence"
)

func knocks(t testing.TB, text string) (list []packet.Port) {
	t.Helper()
	for _, word := range strings.Fields(text) {
		p, err := packet.ParsePort(word)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func TestBits(t *testing.T) {
	for _, c := range []struct {
		knocks string
		bits   int // rounded down
	}{
		{"udp/21409 tcp/4813 tcp/28761 udp/9377 tcp/15042", 5*16 + 5},
		{"tcp/21409 tcp/4813 tcp/28761 tcp/9377 tcp/15042", 5*16 + 1}, // one protocol
		{"tcp/21409 tcp/4813 tcp/28761", 3*16 + 1},
		{"tcp/21409 tcp/21410 tcp/21411", 16 + 7 + 3 + 1}, // the second is near, the third in step
		{"tcp/7000 tcp/8000 tcp/9000", 22},
		{"tcp/21409 tcp/4813 tcp/21409", 2*16 + 4 + 1}, // again one that was there
		{"tcp/21409 tcp/1987 tcp/4813", 2*16 + 10 + 1}, // a year
		{"tcp/21409 tcp/33333 tcp/4813", 2*16 + 8 + 1},
	} {
		if got := bits(knocks(t, c.knocks)); int(got) != c.bits {
			t.Errorf("%s: %.1f bits, want %d", c.knocks, got, c.bits)
		}
	}
}

// The times follow from what the gate lets someone try.
func TestGuessTime(t *testing.T) {
	for _, c := range []struct {
		bits    float64
		sources int
		want    string
	}{
		{33, 1, "2 years"}, // two knocks, 4,000 a minute
		{33, botnet, "1 hour"},
		{49, 1, "133791 years"},
		{49, botnet, "13 years"},
		{49, 10 * botnet, "8 years"},      // 1,000,000 a second at the gate
		{81, 1, "millions of years"},      // five knocks
		{1, botnet, "less than a second"}, // of two the first
	} {
		if got := span(guessTime(c.bits, c.sources)); got != c.want {
			t.Errorf("%v bits from %d sources: %s, want %s", c.bits, c.sources, got, c.want)
		}
	}
}

func TestPatternsOfSecrets(t *testing.T) {
	for name, c := range map[string]struct{ bytes, want string }{
		"random":          {"\x8f\x12\xe0\x7b\x01\xaa\x5c\x93\x44\xfe\x20\x6d\xb8\x37\xc1\x09\xd5\x72\x4e\x8a", ""},
		"zeros":           {strings.Repeat("\x00", 20), "a pattern"},
		"a few":           {strings.Repeat("\xca\xfe\xba\xbe", 5), "a pattern"},
		"counted":         {"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13", "a pattern"},
		"counted by 251":  {"\xff\xfa\xf5\xf0\xeb\xe6\xe1\xdc\xd7\xd2\xcd\xc8\xc3\xbe\xb9\xb4\xaf\xaa\xa5\xa0", "a pattern"},
		"a sentence":      {"correct horse batter", "a text"},
		"a long sentence": {"correct horse battery staple correct", "a text"},
	} {
		data := []byte(c.bytes)
		data = data[:len(data)/5*5] // whole groups of base32
		s, err := sequence.ParseSecret(base32.StdEncoding.EncodeToString(data))
		if err != nil {
			t.Fatal(err)
		}
		if got := pattern(s); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for range 1000 {
		var random [20]byte
		rand.Read(random[:])
		if got := pattern(sequence.NewSecret(random)); got != "" {
			t.Errorf("%x is %s", random, got)
		}
	}
}

// Anyone who copies a secret out of the documents is told.
func TestSecretsOfTheDocumentsAreWeak(t *testing.T) {
	for _, file := range []string{"../../docs/PROTOCOL.md", "../../docs/OPERATIONS.md", "../../docs/LINT.md", "../../README.md", "../config/reference.toml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range regexp.MustCompile(`\b[A-Z2-7]{32,104}\b`).FindAllString(string(text), -1) {
			if s, err := sequence.ParseSecret(word); err == nil && pattern(s) == "" {
				t.Errorf("%s: %s looks random", file, word)
			}
		}
	}
}
