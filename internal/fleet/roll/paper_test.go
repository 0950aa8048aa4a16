package roll_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	. "sallyport/internal/fleet/roll"
)

func TestPaper(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text := PaperText(key)
	if lines := strings.Split(text, "\n"); len(lines) != 4 || len(lines[0]) != 19 {
		t.Errorf("on paper: %q", text)
	}
	for what, typed := range map[string]string{
		"as it is": text, "in small letters": strings.ToLower(text), "without blanks": strings.ReplaceAll(text, " ", ""),
		"with digits for letters": strings.NewReplacer("O", "0", "I", "1", "B", "8").Replace(text), "in one line": strings.ReplaceAll(text, "\n", " "),
	} {
		if got, err := ParsePaper(typed); err != nil || !got.Equal(key) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i, c := range text {
		if c == ' ' || c == '\n' {
			continue
		}
		other := "A"
		if c == 'A' {
			other = "C"
		}
		if _, err := ParsePaper(text[:i] + other + text[i+1:]); err == nil {
			t.Errorf("with another character %d it is a key", i)
		}
	}
	if _, err := ParsePaper(text[5:]); err == nil {
		t.Error("without its beginning it is a key")
	}
}
