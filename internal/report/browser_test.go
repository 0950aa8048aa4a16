//go:build linux

package report

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/lang"
)

// A real browser shows the page of an attacker's dreams as what it is: text. It
// loads nothing, runs nothing, and has no word to say about it.
func TestHostilePageInABrowser(t *testing.T) {
	page, _ := printed(t, hostile())
	dom, log := labtest.Browse(t, page)
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
	for _, fault := range labtest.Measured(t, pages) {
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
		if got := strings.Join(labtest.Measured(t, map[string]string{"x": "<!DOCTYPE html>" + body}), "\n"); !strings.Contains(got, fault) {
			t.Errorf("%s: found\n%s\nwant %q", body, got, fault)
		}
	}
}
