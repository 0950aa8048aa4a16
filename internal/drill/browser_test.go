//go:build linux

package drill

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab/labtest"
	"sallyport/internal/lang"
)

// sample is a report of every attack with every verdict, and with words that are long.
func sample() Report {
	r := Report{Version: "v1.2.3", Config: "/etc/sallyport/gateways/of-the-branch-office-2/sallyport.toml", Began: time.Date(2026, 11, 1, 9, 30, 0, 0, time.UTC), Seconds: 93}
	for i, a := range Catalogue() {
		result := a.blank()
		result.Verdict = []Verdict{Held, Held, Held, Failed, Skipped, Broken}[i%6]
		switch result.Verdict {
		case Held:
			if a.Rule != "" {
				result.Seen, result.Seconds = []string{a.Rule, "scan-distributed", "guessing-distributed"}, 1.2
			}
		case Failed:
			result.Opened = []string{"ssh", "administration-of-the-branch-office"}
			result.Why = "a door is open for those who must stay outside: [\"ssh\" \"administration-of-the-branch-office\"]"
		case Skipped:
			result.Why = "no client has a rotating secret that works now"
		case Broken:
			result.Why = "mount a small disk: " + strings.Repeat("x", 200)
		}
		r.Results = append(r.Results, result)
	}
	return r
}

// On phones and on screens nothing of the report overflows, is cut off or is squeezed to
// a letter a line, in either language.
func TestPageInABrowser(t *testing.T) {
	pages := make(map[string]string)
	for _, l := range []lang.Lang{lang.English, lang.Japanese} {
		var b bytes.Buffer
		if err := sample().HTML(&b, l); err != nil {
			t.Fatal(err)
		}
		pages[l.Tag()] = b.String()
		if err := os.WriteFile(filepath.Join(t.ArtifactDir(), l.Tag()+".html"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, fault := range labtest.Measured(t, pages) {
		t.Error(fault)
	}
}
