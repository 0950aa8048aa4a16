package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Files that are small and shaped to take long: without the limits, some of
// them take half a minute.
func TestHostileShapes(t *testing.T) {
	const size = 1_000_000
	numbered := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, toml := range map[string]string{
		"deep header":         "[" + strings.Repeat("a.", size/2) + "a]",
		"deep key":            strings.Repeat("a.", size/2) + "a = 1",
		"deep array":          "a = " + strings.Repeat("[", size),
		"deep tables":         "a = " + strings.Repeat("{a=", size/3),
		"many keys":           numbered("k%d = 1\n"),
		"many keys below":     numbered("a.k%d = 1\n"),
		"many tables":         numbered("[t%d]\n"),
		"many inline keys":    "a = {" + numbered("k%d = 1, ") + "z = 1}",
		"same key":            strings.Repeat("a=1\n", size/4),
		"wrong items":         "gate.trusted = [" + strings.Repeat("1,", size/2) + "]",
		"same items":          "gate.trusted = [" + strings.Repeat("'1.1.1.1',", size/10) + "]",
		"same ranges":         "gate.policy = 'all'\ngate.public = ['tcp/65535'," + strings.Repeat("'tcp/1-65535',", size/14) + "]",
		"tables within doors": strings.Repeat("[[door]]\n[[door.x]]\n", size/20),
	} {
		start := time.Now()
		if _, err := Load(tree("sallyport.toml", toml), main); err == nil {
			t.Errorf("%s: loaded", name)
		} else if text := err.Error(); len(text) > 20_000 {
			t.Errorf("%s: an error of %d bytes", name, len(text))
		}
		took := time.Since(start)
		t.Logf("%s: %v", name, took.Round(time.Millisecond))
		if took > time.Minute { // with the checks it takes a second or two, on a busy machine ten; without them many minutes
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// A pattern is a name's beginning and a star, and there are as many as one rule
// of the firewall can compare.
func TestPatternsOfInterfaces(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"ppp*", "ppp0", true}, {"ppp*", "ppp", true}, {"ppp*", "pp0", false}, {"ppp*", "xppp0", false},
		{"eth0", "eth0", true}, {"eth0", "eth01", false}, {"eth0.100", "eth0.100", true},
	} {
		if got := IsInterface(c.pattern, c.name); got != c.want {
			t.Errorf("%s is %s: %v", c.name, c.pattern, got)
		}
	}
	var names []string
	for i := range maxPatterns + 1 {
		names = append(names, fmt.Sprintf("'i%d*'", i))
	}
	loaded(t, "sallyport.toml", "gate.interfaces = ["+strings.Join(names[1:], ",")+"]\n")
	if _, err := Load(tree("sallyport.toml", "gate.interfaces = ["+strings.Join(names, ",")+"]\n"), main); err == nil || !strings.Contains(err.Error(), "want at most 32") {
		t.Errorf("%d patterns: %v", len(names), err)
	}
}
