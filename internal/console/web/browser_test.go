//go:build linux

package web

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/lab/browser"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/lang"
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
	return openIn(t, browser.Kinds[0], rights)
}

func openIn(t *testing.T, kind, rights string) *page {
	t.Helper()
	labtest.Need(t, "browser", kind)
	h := labtest.New(t, lab.Options{}).Client
	p := &page{fixture: newFixture(t, h, rights), t: t}
	// Not with t.Context, which ends before the cleaning up.
	b, err := browser.Start(context.Background(), h, kind, browser.Options{Profile: t.TempDir()})
	p.do(err)
	p.Browser = b
	t.Cleanup(func() { p.do(b.Close()) })
	p.do(p.Open(p.url + "#login=once"))
	p.has("[data-page=now] [data-state]")
	p.has(".pulse.on")
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

// Of two windows one follows the stream for both; when that is loaded again, the other
// goes on. The first is not drawn meanwhile: it is behind the second.
func TestTwoWindows(t *testing.T) {
	p := open(t, "view")
	p.do(p.Eval("document.addEventListener('click', () => { self.second ??= open(location.href, 'second'); }, true) || 0", new(any)))
	p.do(p.Click("[data-act=live]"))
	p.do(p.Wait("self.second?.document.querySelector('.pulse.on')"))
	for i, name := range []string{"first", "second"} {
		if i > 0 {
			p.do(p.Eval("(self.old = true, location.reload(), 0)", new(any)))
			p.do(p.Wait("!self.old && document.readyState === 'complete' && (self.second ??= open('', 'second'))?.document.querySelector('.pulse.on')"))
		}
		p.streams() // whichever of them reads now
		p.happens(event.Event{Time: time.Now(), Kind: event.KindGrant, Door: "ssh", Client: name})
		p.do(p.Wait(fmt.Sprintf("second.document.querySelector('[data-card=latest]').innerText.includes(%q)", name)))
		if n := p.streams(); n != 1 {
			t.Errorf("%d streams", n)
		}
	}
}

// streams is how many read, once anyone does.
func (p *page) streams() int {
	p.t.Helper()
	for deadline := time.Now().Add(labtest.Patience); ; time.Sleep(10 * time.Millisecond) {
		p.mu.Lock()
		n := len(p.readers)
		p.mu.Unlock()
		if n == 1 || time.Now().After(deadline) {
			return n
		}
	}
}

// Firefox shows every page, too.
func TestFirefox(t *testing.T) {
	if !labtest.Long() {
		t.Skip("needs SALLYPORT_LONG")
	}
	p := openIn(t, browser.Kinds[1], "act")
	for _, name := range all {
		p.goes(name)
	}
	p.goes("now")
	p.happens(event.Event{Time: time.Now(), Kind: event.KindGrant, Door: "ssh", Client: "alice"})
	p.has(".events li[data-kind=grant]")
	if wide := p.wide(); len(wide) > 0 {
		t.Errorf("too wide: %s", wide)
	}
}

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
			picture, err := p.Screenshot(width, dark)
			p.do(err)
			file := fmt.Sprintf("%s-%s-%d-%s.png", strings.ReplaceAll(name, "/", "-"), language, width, map[bool]string{true: "dark", false: "light"}[dark])
			p.do(os.WriteFile(filepath.Join(t.ArtifactDir(), file), picture, 0o600))
		}
		var wider int
		p.do(p.Eval("document.documentElement.scrollWidth - innerWidth", &wider))
		if wider > 0 {
			t.Errorf("at %d pixels: %d too wide", width, wider)
		}
	}
}

// The pictures of the documents, of an ordinary evening.
func TestPictures(t *testing.T) {
	if !labtest.Long() {
		t.Skip("needs SALLYPORT_LONG")
	}
	p := open(t, "act")
	status := p.status()
	p.mu.Lock()
	found := p.answers["/v1/findings"].(control.FindingsAnswer).Findings[:2]
	p.answers["/v1/journal"] = control.JournalAnswer{Entries: slices.DeleteFunc(past(time.Now()), func(e control.JournalEntry) bool { return e.Client == hostile })}
	p.mu.Unlock()
	p.do(p.Open("about:blank"))
	p.do(p.Open(p.url))
	p.has(".pulse.on")
	for i := range 6 { // a line of junk
		time.Sleep(2100 * time.Millisecond)
		status.Dropped += uint64(30 + i*i%7*20)
		p.set("/v1/status", status, "grants")
	}
	for _, language := range []lang.Lang{lang.English, lang.Japanese} {
		said := control.FindingsAnswer{}
		for _, f := range found {
			said.Findings = append(said.Findings, detect.In(language, f))
		}
		p.set("/v1/findings", said, "findings")
		if language == lang.Japanese {
			p.do(p.Click("[data-act=language]"))
		}
		p.says("[data-card=findings]", said.Findings[0].Explanation)
		p.do(p.Wait("document.documentElement.lang === '" + language.Tag() + "' && document.querySelectorAll('.finding').length === 2 && !document.querySelector('.loading')"))
		for name, size := range map[string][2]int{"": {1280, 940}, "-phone": {390, 844}} {
			picture, err := p.Screenshot(size[0], name != "")
			p.do(err)
			p.do(os.WriteFile(filepath.Join(t.ArtifactDir(), "console-"+language.Tag()+name+".png"), top(t, picture, size[1]), 0o600))
		}
	}
}

// Nothing that others have chosen becomes markup, or changes the order of what is read.
func TestHostileText(t *testing.T) {
	p := open(t, "act")
	h := control.Happened(event.Event{Time: time.Now(), Kind: event.Kind(hostile), Door: hostile, Client: hostile, Reason: event.Reason(hostile), Detail: hostile})
	p.notify(control.Notice{Event: &h})
	status := p.status()
	status.Problems = []string{hostile, strings.Repeat(hostile, 100)}
	status.Grants = append(status.Grants, event.Grant{Door: hostile, Client: hostile, Source: netip.MustParseAddr("192.0.2.1"), Until: time.Now().Add(time.Hour)})
	status.Labels[hostile] = hostile
	status.Version = hostile
	p.set("/v1/status", status, "grants")
	p.set("/v1/asks", map[string]any{"asks": []any{map[string]any{"id": hostile, "source": "192.0.2.9", "family": "ipv4", "until": time.Now().Add(time.Hour), "client": hostile, "door": hostile, "note": hostile, "lookup": map[string]any{"refusals": 2, "findings": []any{map[string]any{"id": "x", "severity": "high", "explanation": hostile}}}}}}, "asks")
	p.says("[data-card=latest]", "moc.live")
	p.says("[data-card=in]", "moc.live")
	p.says("[data-card=asks]", "moc.live")
	for _, name := range append(all, "why/"+url.PathEscape(hostile)) {
		p.goes(name)
		var wrong []string
		p.do(p.Eval(`[...document.querySelectorAll('main img, main script, main iframe, main [onerror], main [style]')].map((e) => e.outerHTML.slice(0, 200))`, &wrong))
		var turned, title, wide = 0, "", 0
		p.do(p.Eval(`(document.body.innerText.match(/[\u202a-\u202e\u2066-\u2069\u001b]/g) ?? []).length`, &turned))
		p.do(p.Eval(`document.title`, &title))
		p.do(p.Eval(`document.documentElement.scrollWidth - innerWidth`, &wide))
		if len(wrong) > 0 || turned > 0 || strings.Contains(title, "owned") || wide > 0 {
			t.Errorf("%s: markup %q, %d characters of direction, title %q, %d too wide: %s", name, wrong, turned, title, wide, p.wide())
		}
	}
}

// wide names what is wider than the window.
func (p *page) wide() (list []string) {
	p.do(p.Eval(`[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.hidden')).slice(0, 6).map((e) => e.outerHTML.slice(0, 120))`, &list))
	return list
}

func (f *fixture) status() control.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answers["/v1/status"].(control.Status)
}

// What is tapped is sent, and what is refused is shown with its remedy.
func TestActs(t *testing.T) {
	p := open(t, "admin")
	sent := func(path, want string) {
		t.Helper()
		deadline := time.Now().Add(labtest.Patience)
		for !strings.Contains(p.body(path), want) {
			if time.Now().After(deadline) {
				t.Fatalf("%s was sent %q, want %s", path, p.body(path), want)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	fill := func(selector, value string) {
		t.Helper()
		p.do(p.Eval(fmt.Sprintf(`((e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); e.dispatchEvent(new Event('change', { bubbles: true })); return 0; })(document.querySelector(%q), %q)`, selector, value), new(any)))
	}
	p.has("[data-finding='9c41e0']")
	p.do(p.Click("[data-finding='9c41e0'] [data-act=ack]"))
	sent("/v1/ack", `{"id":"9c41e0"}`)
	p.says(".said", "Acknowledged")

	p.set("/v1/asks", map[string]any{"asks": []any{map[string]any{"id": "a1", "source": "198.51.100.77", "family": "ipv4", "until": time.Now().Add(10 * time.Minute), "door": "web"}}}, "asks")
	p.has("[data-ask=a1]")
	fill("[data-ask=a1] [name=code]", "k7m2qx")
	p.do(p.Click("[data-act=approve]"))
	sent("/v1/approve", `{"id":"a1","code":"k7m2qx","door":"web","for":"900s"}`)

	status := p.status()
	status.Trial = time.Now().Add(time.Minute)
	p.set("/v1/status", status, "problems")
	p.has("[data-state='state.trial'] [data-act=confirm]")
	p.do(p.Click("[data-act=confirm]"))
	sent("/v1/confirm", `{}`)

	p.goes("doors")
	fill("form.open [name=door]", "web")
	fill("form.open [name=source]", "192.0.2.7")
	p.do(p.Click("form.open [data-act=open]"))
	sent("/v1/open", `{"door":"web","source":"192.0.2.7","for":"900s"}`)
	p.do(p.Click("form.open [data-act=mine]"))
	p.do(p.Wait("document.querySelector('form.open [name=source]').value === '198.51.100.200' && !document.querySelector('form.open [data-act=open]').disabled"))
	p.do(p.Click("form.open [data-act=open]"))
	sent("/v1/open", `{"door":"web","source":"198.51.100.200","for":"900s"}`)

	p.goes("bans")
	fill("[data-card=ban] [name=source]", "192.0.2.8")
	p.do(p.Click("[data-act=ban]"))
	sent("/v1/ban", `{"source":"192.0.2.8"}`)
	p.do(p.Click("[data-row='192.0.2.66/32'] [data-act=unban]"))
	p.has("[data-row='192.0.2.66/32'] .danger")
	p.do(p.Click("[data-row='192.0.2.66/32'] [data-act=unban]"))
	sent("/v1/unban", `{"source":"192.0.2.66"}`)

	p.mu.Lock()
	delete(p.answers, "/v1/ban")
	p.mu.Unlock()
	p.do(p.Wait("!document.querySelector('[data-act=ban]').disabled"))
	fill("[data-card=ban] [name=source]", "192.0.2.9")
	p.do(p.Click("[data-act=ban]"))
	p.says("[data-card=ban] .fault", "that cannot be done")
	p.says("[data-card=ban] .fault .hint", "do something else")

	p.do(p.Open("about:blank"))
	p.do(p.Open(p.url + "#login=twice"))
	p.says("main .fault", "used up, over or wrong")
	var address string
	p.do(p.Eval("location.href", &address))
	if strings.Contains(address, "twice") {
		t.Errorf("the link stays in the address: %s", address)
	}
}

// Under a flood the page goes on drawing, says that it shows a part, and keeps no more.
func TestFlood(t *testing.T) {
	p := open(t, "act")
	length := time.Second
	if labtest.Long() {
		length = 20 * time.Second
	}
	p.flood.Store(true)
	p.has("#sampled")
	var frames, heap []float64
	for range 6 { // the first fills what is kept
		var n float64
		p.do(p.Eval(fmt.Sprintf(`new Promise((done) => {
			let n = 0; const from = performance.now();
			const draw = (now) => { n++; now - from < %d ? requestAnimationFrame(draw) : done(n / (now - from) * 1000); };
			requestAnimationFrame(draw); })`, length.Milliseconds()), &n))
		bytes, err := p.Heap()
		p.do(err)
		frames, heap = append(frames, n), append(heap, bytes/1e6)
	}
	var said string
	p.do(p.Eval("document.querySelector('#sampled').innerText", &said))
	var rows int
	p.do(p.Eval("document.querySelectorAll('.events li').length", &rows))
	t.Logf("each %v: frames a second %.0f, MB that live after a collection %.2f; the page says %q", length, frames, heap, said)
	if rows > 15 {
		t.Errorf("%d rows", rows)
	}
	if last := heap[len(heap)-1]; last > heap[0]+1 {
		t.Errorf("what lives grows: %.2f MB", heap)
	}
	p.flood.Store(false)
	p.do(p.Wait("!document.querySelector('#sampled')"))
	p.notify(control.Notice{Missed: 7})
	p.says("#missed", "7 events were not sent here")
}

// The bars can be read without a pointer.
func TestKeys(t *testing.T) {
	p := open(t, "view")
	p.do(p.Wait("!document.querySelector('.loading')"))
	var told string
	p.do(p.Eval(`(() => { const e = document.querySelector('[role=slider]'); e.focus(); for (const key of ['End', 'ArrowLeft', 'ArrowLeft']) e.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })); return new Promise((r) => setTimeout(() => r(e.getAttribute('aria-valuenow') + ' ' + e.getAttribute('aria-valuetext')), 300)); })()`, &told))
	if !strings.HasPrefix(told, "57 ") || !strings.Contains(told, "opened") {
		t.Errorf("the bar is %q", told)
	}
	p.do(p.Eval(`document.querySelector('[role=slider]').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true })) && 0`, new(any)))
	p.has("[data-page=journal]")
	var focus string
	p.do(p.Eval("document.activeElement.id", &focus))
	if focus != "main" {
		t.Errorf("the focus is at %q", focus)
	}
	p.do(p.Click(".skip"))
}

// Axe finds nothing grave in any page, theme or language.
func TestAccessible(t *testing.T) {
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Skip("needs npm ci in internal/console/web")
	}
	p := open(t, "admin")
	p.set("/v1/asks", map[string]any{"asks": []any{map[string]any{"id": "a1", "source": "198.51.100.77", "family": "ipv4", "until": time.Now().Add(10 * time.Minute), "door": "web", "note": "It is me"}}}, "asks")
	p.has("[data-ask=a1]")
	p.do(p.Eval(string(axe)+"; 0", new(any)))
	for range 2 {
		for _, name := range all {
			p.goes(name)
			for _, theme := range []string{"light", "dark"} {
				var found []string
				p.do(p.Eval(fmt.Sprintf(`(document.documentElement.dataset.theme = %q, axe.run(document, { resultTypes: ['violations'] })).then((r) => r.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => v.id + ': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + ' ' + n.any.map((a) => a.message).join()).join('; ')))`, theme), &found))
				for _, f := range found {
					t.Errorf("%s, %s: %s", name, theme, f)
				}
			}
		}
		p.do(p.Click("[data-act=language]")) // to Japanese, and back
	}
}
