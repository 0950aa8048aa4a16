package phrase

import "testing"

func TestSome(t *testing.T) {
	for want, names := range map[string][]string{
		"":                nil,
		"a":               {"a"},
		"a, b":            {"a", "b"},
		"a, b and 1 more": {"a", "b", "c"},
		"a, b and 3 more": {"a", "b", "c", "d", "e"},
	} {
		if got := Some(names, 2); got != want {
			t.Errorf("Some(%q, 2) = %q, want %q", names, got, want)
		}
	}
}
