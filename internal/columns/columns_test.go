package columns

import (
	"slices"
	"strings"
	"testing"
)

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{"": 0, "alice": 5, "営業部": 6, "ｱｲｳ": 3, "が": 2, "か\u3099": 2, "–": 1, "a太郎b": 6} {
		if got := Width(text); got != want {
			t.Errorf("%q is %d cells wide, want %d", text, got, want)
		}
	}
}

// What stands in a column begins in the same cell in every row.
func TestColumns(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, [][]string{{"CLIENT", "LABEL", "PLACE"}, {"alice", "営業部 田中", "a.toml"}, {"bob", "", ""}, {"carol", "Sales", "c.toml"}}); err != nil {
		t.Fatal(err)
	}
	want := "CLIENT  LABEL        PLACE\nalice   営業部 田中  a.toml\nbob\ncarol   Sales        c.toml\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 7, []string{"one two", "three"}},
		{"unbreakable word", 4, []string{"unbreakable", "word"}},
		{"鍵を替えてください。", 10, []string{"鍵を替えて", "ください。"}},
		{"鍵を替えます。", 12, []string{"鍵を替えま", "す。"}},  // no line begins with a full stop
		{"鍵は（古い）", 6, []string{"鍵は", "（古", "い）"}}, // nor ends with a bracket
		{"次は sallyport door rotate を実行", 14, []string{"次は sallyport", "door rotate を", "実行"}},
	} {
		if got := Wrap(c.text, c.width); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
