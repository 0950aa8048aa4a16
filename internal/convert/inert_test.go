package convert

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"sallyport/internal/config"
)

// ours is what a line of an import may be, but for a comment.
var ours = regexp.MustCompile(`^(\[\[door\]\]|\[\[client\]\]|\[spa\]|(doors|from|max_open|expires|fwknop|fwknop_port|name|ports|open_for|sequence|within|to|port|require_bound) *= [^\n]*)?$`)

// What is imported is foreign text, and decides who gets in: nothing of it may
// become anything but the values of our own keys, or act on a terminal.
func FuzzImportIsInert(f *testing.F) {
	for _, text := range []string{
		"[options]\ninterface = eth0\"]\n[openSSH\"]\nsequence=5000,4000\n" + opens22,
		"[a]\nsequence=5000,4000\ncommand=/bin/x \"\n[[client]]\nname = 'eve'\" %IP%\r[[hook]]\n",
		"SOURCE ANY\nOPEN_PORTS tcp/22\nREQUIRE_USERNAME a\u2028[[client]]\n",
		"SOURCE: 10.0.0.0/255.0.0.0;\nOPEN_PORTS tcp/22\x1b[2J\nCMD_CYCLE_OPEN /bin/sh -c \"\u202e\"\nACCESS_EXPIRE 1/2\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, read := range map[string]func() (Result, error){
			"knockd": func() (Result, error) { return Knockd(text, counting(), nil) },
			"fwknop": func() (Result, error) { return Fwknop(text, nil) },
		} {
			r, err := read()
			if err != nil {
				continue
			}
			own := slices.ContainsFunc(r.Config.Clients, func(c config.Client) bool { return c.Fwknop == nil || c.Key != nil })
			if own || len(r.Config.Hooks) != 0 || len(r.Config.Webhooks) != 0 || len(r.Config.Gate.Trusted) != 0 || len(r.Config.Gate.Public) != 0 {
				t.Errorf("%s: more than doors:\n%s", name, r.Text)
			}
			for line := range strings.SplitSeq(r.Text, "\n") {
				if !strings.HasPrefix(line, "#") && !ours.MatchString(line) {
					t.Errorf("%s: a line of the source's own: %q", name, line)
				}
				if i := strings.IndexFunc(line, func(c rune) bool { return !unicode.IsPrint(c) }); i >= 0 {
					t.Errorf("%s: acts on a terminal: %q", name, line)
				}
			}
		}
	})
}
