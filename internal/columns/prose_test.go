package columns

import (
	"strings"
	"testing"
)

func TestProse(t *testing.T) {
	for _, c := range []struct {
		text, first string
		width       int
		want        string
	}{
		{"one two three", "hint: ", 14, "hint: one two\n      three\n"},
		{"one two three", "hint: ", 0, "hint: one two three\n"},
		{"look at\n  - one two three\n  - four", "", 11, "look at\n  - one two\n    three\n  - four\n"},
		{"run:\n\n    a long command", "", 8, "run:\n\n    a long command\n"},
		{"  file:3: what is wrong", "", 12, "  file:3:\n  what is\n  wrong\n"},
		{"unbreakable", "! ", 4, "! unbreakable\n"},
		{"", "x ", 10, "x\n"},
	} {
		if got := Prose(c.text, c.width, c.first); got != c.want {
			t.Errorf("%q in %d:\n%swant\n%s", c.text, c.width, got, c.want)
		}
	}
}

func TestUnfold(t *testing.T) {
	if got, want := Unfold("a\nb\n\nc:\n  - d\n  - e\nf\n    g\nh"), "a b\n\nc:\n  - d\n  - e\nf\n    g\nh"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Whatever the width, the words stay, and no line that has two of them is wider.
func FuzzProse(f *testing.F) {
	f.Add("sallyport: a b\n  - c d\n\n    e f", "hint: ", 9)
	f.Fuzz(func(t *testing.T, text, first string, width int) {
		if strings.ContainsAny(first, "\n") || width > 1000 || Width(first) > 100 {
			return
		}
		got := Prose(text, width, first)
		if join(got) != join(first+text) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// join leaves spaces out, since Japanese is broken without one.
func join(s string) string { return strings.Join(strings.Fields(s), "") }
