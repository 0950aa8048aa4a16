package config

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// readBack is what a reader of TOML makes of a quoted text.
func readBack(t *testing.T, text string) string {
	t.Helper()
	var v struct{ X string }
	if err := toml.Unmarshal([]byte("x = "+Quote(text)+"\n"), &v); err != nil {
		t.Fatalf("%q is written as %s: %v", text, Quote(text), err)
	}
	return v.X
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                  `""`,
		"alice@laptop":      `"alice@laptop"`,
		`a "b" \c`:          `"a \"b\" \\c"`,
		"tab\tand\nline\r":  `"tab\tand\nline\r"`,
		"bell\a\v\x1b\x7f":  `"bell\u0007\u000B\u001B\u007F"`,
		"Zoë 北 …":           `"Zoë 北 …"`,
		"left\u202eright":   `"left\u202Eright"`,
		"\U000e0001":        `"\U000E0001"`,
		"invalid \xff byte": `"invalid � byte"`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
		if got := readBack(t, text); got != strings.ToValidUTF8(text, "\ufffd") {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\x00\a\"\\\u2028")
	f.Fuzz(func(t *testing.T, text string) {
		quoted := Quote(text)
		if strings.ContainsAny(quoted, "\n\r") || !utf8.ValidString(quoted) {
			t.Errorf("%q is written as %q", text, quoted)
		}
		if got := readBack(t, text); got != strings.ToValidUTF8(text, "\ufffd") {
			t.Errorf("%q is read as %q", text, got)
		}
	})
}
