//go:build linux

package report

import (
	"context"
	_ "embed"
	"fmt"
	"html"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/lang"
)

// browse opens a page in a real browser and returns what it has made of it, and
// what it has said.
func browse(t *testing.T, page string) (dom, log string) {
	t.Helper()
	labtest.Need(t, "browser", "chromium")
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

// A real browser shows the page of an attacker's dreams as what it is: text. It
// loads nothing, runs nothing, and has no word to say about it.
func TestHostilePageInABrowser(t *testing.T) {
	page, _ := printed(t, hostile())
	dom, log := browse(t, page)
	title, _, _ := strings.Cut(dom[strings.Index(dom, "<title>")+len("<title>"):], "</title>")
	if !strings.HasPrefix(title, "Sallyport on &lt;script&gt;") {
		t.Errorf("the title has become %.80q", title)
	}
	for _, bad := range []string{"<script", "<img", "<iframe", "onerror=\"", "<b>\u202e"} {
		if strings.Contains(dom, bad) {
			t.Errorf("the browser has made an element of %q", bad)
		}
	}
	if strings.Contains(log, "CONSOLE") {
		t.Errorf("the browser complains:\n%s", log)
	}
}

//go:embed testdata/measure.js
var measureScript string

// The widths of small and large phones, of tablets on either side of where the
// layout changes, and of two screens.
var widths = []int{360, 390, 480, 640, 768, 820, 1280, 1440}

// measured returns what is wrong with pages in frames of all widths, a line each.
func measured(t *testing.T, pages map[string]string) []string {
	t.Helper()
	var b strings.Builder
	b.WriteString("<!DOCTYPE html><meta charset=utf-8><pre id=faults></pre>")
	for name, page := range pages {
		for _, w := range widths {
			fmt.Fprintf(&b, `<iframe id="%s-%d" style="border:0;width:%dpx;height:800px" srcdoc="%s"></iframe>`, name, w, w, html.EscapeString(page))
		}
	}
	dom, log := browse(t, b.String()+"<script>"+measureScript+"</script>")
	_, faults, _ := strings.Cut(dom, `<pre id="faults">`)
	faults, _, _ = strings.Cut(faults, "</pre>")
	lines := strings.Split(strings.TrimSpace(html.UnescapeString(faults)), "\n")
	if lines[len(lines)-1] != "measured" {
		t.Fatalf("the browser has not measured the pages:\n%s", log)
	}
	return lines[:len(lines)-1]
}

// crowded is a report with what is long: addresses, names, labels, counts.
func crowded(l lang.Lang) *Report {
	r := demo(l)
	long := netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666")
	name := "gateway-of-the-branch-office-2"
	r.clients[name] = &Use{Named: Named{name, strings.Repeat("営業部と", 20)}, Configured: true}
	r.doors[name] = &Use{Named: Named{name, strings.Repeat("Sales and ", 7) + "marketing"}}
	for _, reason := range []event.Reason{event.ForbiddenFrom, event.WrongAddress} {
		r.Add(event.Event{Time: monday, Kind: event.KindGrant, Door: name, Client: name, Source: long, Reason: event.BySPA})
		r.Add(event.Event{Time: monday, Kind: event.KindRefusal, Door: name, Client: name, Source: long, Reason: reason, Count: event.Contacts{Packets: 123_456_789, Ports: 65535}})
		r.Add(event.Event{Time: monday, Kind: event.KindContacts, Source: long, Count: event.Contacts{Packets: 123_456_789, Ports: 65535}})
		r.Add(event.Event{Time: monday, Kind: event.KindFailure, Detail: "a word that is long: " + strings.Repeat("x", 300)})
	}
	return r
}

// On phones and on screens nothing overflows, is cut off or is squeezed to a
// letter a line.
func TestLayoutInABrowser(t *testing.T) {
	pages := make(map[string]string)
	for _, l := range []lang.Lang{lang.English, lang.Japanese} {
		pages["demo-"+l.Tag()], _ = printed(t, demo(l))
		pages["crowded-"+l.Tag()], _ = printed(t, crowded(l))
		s := Subject{Lang: l, Since: monday, Until: monday.Add(time.Hour)}
		pages["empty-"+l.Tag()], _ = printed(t, New(s))
	}
	for name, page := range pages {
		if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".html"), []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, fault := range measured(t, pages) {
		t.Error(fault)
	}
}

// What measures the pages finds what it is there to find.
func TestMeasuring(t *testing.T) {
	for fault, body := range map[string]string{
		"wide":                    `<h1>x</h1><div style="width:2000px">too wide</div>`,
		"holds more than can be":  `<div style="width:50px;overflow:hidden;white-space:nowrap">more than fits in here</div>`,
		"lines of 7 letters":      `<div style="width:8px;overflow-wrap:anywhere">failure</div>`,
		"a row with a gap":        `<div class="figures" style="display:grid;grid-template-columns:1fr 1fr"><p>1</p><p>2</p><p>3</p></div>`,
		"a hole":                  `<table><tr><td></td><td><div style="height:200px">x</div></td></tr></table>`,
		"runs into the next: <te": `<svg viewBox="0 0 100 20"><text x="0" y="15">Monday</text><text x="5" y="15">Tuesday</text></svg>`,
	} {
		if got := strings.Join(measured(t, map[string]string{"x": "<!DOCTYPE html>" + body}), "\n"); !strings.Contains(got, fault) {
			t.Errorf("%s: found\n%s\nwant %q", body, got, fault)
		}
	}
}
