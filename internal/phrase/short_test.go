package phrase

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestShort(t *testing.T) {
	for _, line := range []string{"", "door \"ssh\" is there already", strings.Repeat("é", 200), strings.Repeat("words of a long error ", 60)} {
		if got := Short(line); got != line {
			t.Errorf("%q became %q", line, got)
		}
	}
	for _, line := range []string{strings.Repeat("x", 10_000), "door name \"" + strings.Repeat("扉", 10_000) + "\": want less", strings.Repeat("x ", 10_000), strings.Repeat("\xff", 10_000)} {
		got := Short(line)
		if n := utf8.RuneCountInString(got); n > mostOfALine || !utf8.ValidString(got) && utf8.ValidString(line) {
			t.Errorf("%.20q… has %d characters: %q", line, n, got)
		}
		if !strings.HasPrefix(got, line[:12]) && utf8.ValidString(line) || !strings.HasSuffix(got, line[len(line)-9:]) && utf8.ValidString(line) {
			t.Errorf("beginning or end is lost: %q", got)
		}
	}
}
