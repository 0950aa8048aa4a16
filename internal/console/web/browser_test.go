//go:build linux

package web

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/lab/browser"
	"sallyport/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// page is the console in a browser.
type page struct {
	*browser.Browser
	*fixture
	t *testing.T
}

// open starts Chromium with the page of a fixture, logged in.
func open(t *testing.T, rights string) *page {
	t.Helper()
	labtest.Need(t, "browser", browser.Kinds[0])
	h := labtest.New(t, lab.Options{}).Client
	p := &page{fixture: newFixture(t, h, rights), t: t}
	// Not with t.Context, which ends before the cleaning up.
	b, err := browser.Start(context.Background(), h, browser.Kinds[0], browser.Options{Profile: t.TempDir()})
	p.do(err)
	p.Browser = b
	t.Cleanup(func() { p.do(b.Close()) })
	p.do(p.Open(p.url + "#login=once"))
	p.has("[data-page=now] [data-state]")
	return p
}

func (p *page) do(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// has waits for an element.
func (p *page) has(selector string) {
	p.t.Helper()
	p.do(p.Wait(fmt.Sprintf("document.querySelector(%q)", selector)))
}

// says waits until an element has a text.
func (p *page) says(selector, text string) {
	p.t.Helper()
	p.do(p.Wait(fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q)", selector, text)))
}

// goes opens a page by its menu.
func (p *page) goes(name string) {
	p.t.Helper()
	p.do(p.Eval(fmt.Sprintf("(location.hash = '#/%s', 0)", name), new(any)))
	p.has("[data-page=" + strings.Split(name, "/")[0] + "] h1")
	p.do(p.Wait("!document.querySelector('.loading')"))
}

var all = []string{"now", "doors", "clients", "journal", "bans", "report", "check", "account", "why/192.0.2.66"}

// Every page, in every width, language and theme, fits; the pictures are kept for people.
func TestFits(t *testing.T) {
	p := open(t, "act")
	for _, language := range []string{"en", "ja"} {
		for _, name := range all {
			t.Run(language+" "+name, func(t *testing.T) { p.fits(t, name, language) })
		}
		p.do(p.Click("[data-act=language]"))
	}
}

func (p *page) fits(t *testing.T, name, language string) {
	p.goes(name)
	p.do(p.Wait("document.documentElement.lang === '" + language + "'"))
	for _, width := range []int{360, 768, 1440} {
		for _, dark := range []bool{false, true} {
			png, err := p.Screenshot(width, dark)
			p.do(err)
			file := fmt.Sprintf("%s-%s-%d-%s.png", strings.ReplaceAll(name, "/", "-"), language, width, map[bool]string{true: "dark", false: "light"}[dark])
			p.do(os.WriteFile(filepath.Join(t.ArtifactDir(), file), png, 0o600))
		}
		var wider int
		p.do(p.Eval("document.documentElement.scrollWidth - innerWidth", &wider))
		if wider > 0 {
			t.Errorf("at %d pixels: %d too wide", width, wider)
		}
	}
}

var _ = []any{control.Notice{}, event.Event{}, netip.Addr{}, time.Now}
