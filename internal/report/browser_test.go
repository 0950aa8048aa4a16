//go:build linux

package report

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab/labtest"
)

// A real browser shows the page of an attacker's dreams as what it is: text. It
// loads nothing, runs nothing, and has no word to say about it.
func TestHostilePageInABrowser(t *testing.T) {
	labtest.Need(t, "browser", "chromium")
	html, _ := printed(t, hostile())
	dir := t.TempDir()
	path := filepath.Join(dir, "report.html")
	if err := os.WriteFile(path, []byte(html), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+dir, "--enable-logging=stderr", "--dump-dom", "file://"+path)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &errs)
	}
	dom := string(out)
	title, _, _ := strings.Cut(dom[strings.Index(dom, "<title>")+len("<title>"):], "</title>")
	if !strings.HasPrefix(title, "Sallyport on &lt;script&gt;") {
		t.Errorf("the title has become %.80q", title)
	}
	for _, bad := range []string{"<script", "<img", "<iframe", "onerror=\"", "<b>\u202e"} {
		if strings.Contains(dom, bad) {
			t.Errorf("the browser has made an element of %q", bad)
		}
	}
	if strings.Contains(errs.String(), "CONSOLE") {
		t.Errorf("the browser complains:\n%s", &errs)
	}
}
