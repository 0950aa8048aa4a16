//go:build linux

package labtest

import "testing"

func TestMain(m *testing.M) { Main(m) }

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		tier     string
		programs []string
		missing  bool
	}{
		{"peers", nil, false},
		{"peers", []string{"sh"}, false},
		{"peers", []string{"sh", "no-such-program"}, true},
		{"browser", []string{"no-such-program"}, true},
		{"netns", []string{"no-such-program"}, true},
		{"nets", nil, true}, // a typo must not pass for a tier that is there
		{"", nil, true},
	} {
		if err := missing(c.tier, c.programs); (err != nil) != c.missing {
			t.Errorf("%q %v: got %v", c.tier, c.programs, err)
		}
	}
}

func TestOutsideOfNamespacesIsMissing(t *testing.T) {
	Need(t, "netns")
	was := errRefused
	defer func() { errRefused = was }()
	errRefused = errNoMain
	if missing("netns", nil) == nil {
		t.Error("the tier is there without Main")
	}
}
