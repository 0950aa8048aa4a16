package askcode

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestCodes(t *testing.T) {
	for b, want := range map[[Size]byte]string{
		{}:                 "BBB BBB",
		{0x01, 0x23, 0x45}: "BCD FGH",
		{0xff, 0xfe, 0xdc}: "YYY XWV",
	} {
		c := Of(b)
		if got := c.Show(); got != want {
			t.Errorf("%x: %q, want %q", b, got, want)
		}
		for _, typed := range []string{want, strings.ToLower(want), strings.ReplaceAll(want, " ", ""), strings.ReplaceAll(want, " ", "-"), " " + strings.Join(strings.Split(want, ""), " ")} {
			if again, err := Parse(typed); err != nil || !again.Equal(c) {
				t.Errorf("%q: %v", typed, err)
			}
		}
	}
	for _, typed := range []string{"", "BCDFG", "BCDFGHJ", "BCD FGA", "BCD FG1", "BCD\nFGH", "\u212aCDFGH", "ＢCDFGH", "BCD FGH\x00"} {
		if c, err := Parse(typed); err == nil {
			t.Errorf("%q is taken for %s", typed, c.Show())
		}
	}
}

// A code ends in no log and in no answer by mistake.
func TestCodesAreNotWritten(t *testing.T) {
	c := Of([Size]byte{1, 2, 3})
	if text := fmt.Sprintf("%v %s %+v %d", c, c, struct{ Code Code }{c}, 7); strings.Contains(text, "1 2 3") || strings.Contains(text, c.Show()) {
		t.Error(text)
	}
	if _, err := json.Marshal(struct{ Code Code }{c}); err == nil {
		t.Error("it was written")
	}
	if first, second, third := Random(), Random(), Random(); first.Equal(second) && second.Equal(third) {
		t.Error("codes are not random")
	}
}

// What is read is what is shown, whatever is typed.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"BCD FGH", "bcdfgh", "b-c-d-f-g-h", "\u212aCDFGH"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		if plain := strings.NewReplacer(" ", "", "-", "").Replace(text); !strings.EqualFold(plain, strings.ReplaceAll(c.Show(), " ", "")) {
			t.Errorf("%q is %s", text, c.Show())
		}
	})
}
