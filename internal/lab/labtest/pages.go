//go:build linux

package labtest

import (
	"context"
	_ "embed"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Browse opens a page in a real browser and returns what it has made of it, and
// what it has said. It needs "browser".
func Browse(t testing.TB, page string) (dom, log string) {
	t.Helper()
	Need(t, "browser", "chromium")
	dir := t.TempDir()
	path := filepath.Join(dir, "page.html")
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+dir, "--enable-logging=stderr", "--dump-dom", "file://"+path)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &errs)
	}
	return string(out), errs.String()
}

//go:embed measure.js
var measureScript string

// The widths of small and large phones, of tablets on either side of where the
// layout changes, and of two screens.
var widths = []int{360, 390, 480, 640, 768, 820, 1280, 1440}

// Measured returns what is wrong with pages in frames of all widths, a line each: what
// overflows, is cut off, or is squeezed to a letter a line.
func Measured(t testing.TB, pages map[string]string) []string {
	t.Helper()
	var b strings.Builder
	b.WriteString("<!DOCTYPE html><meta charset=utf-8><pre id=faults></pre>")
	for name, page := range pages {
		for _, w := range widths {
			fmt.Fprintf(&b, `<iframe id="%s-%d" style="border:0;width:%dpx;height:800px" srcdoc="%s"></iframe>`, name, w, w, html.EscapeString(page))
		}
	}
	dom, log := Browse(t, b.String()+"<script>"+measureScript+"</script>")
	_, faults, _ := strings.Cut(dom, `<pre id="faults">`)
	faults, _, _ = strings.Cut(faults, "</pre>")
	lines := strings.Split(strings.TrimSpace(html.UnescapeString(faults)), "\n")
	if lines[len(lines)-1] != "measured" {
		t.Fatalf("the browser has not measured the pages:\n%s", log)
	}
	return lines[:len(lines)-1]
}
