//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab/browser"
	"sallyport/internal/lab/labtest"
)

// pocket is a page in a browser on the client's host.
type pocket struct {
	*browser.Browser
	w    *world
	kind string
	opts browser.Options
	url  string
}

// screens bounds how many browsers run at once: each can keep two processors busy.
var screens = make(chan struct{}, 2)

// inBrowsers runs a test in each browser, in a lab whose client has the page.
// Firefox takes long to start: where time is short it is there for one test.
func inBrowsers(t *testing.T, test func(t *testing.T, p *pocket)) {
	for _, kind := range browser.Kinds {
		t.Run(kind, func(t *testing.T) {
			labtest.Need(t, "browser", kind)
			if kind != browser.Kinds[0] && t.Name() != "TestPageOpens/"+kind && !labtest.Long() {
				t.Skip("needs SALLYPORT_LONG")
			}
			t.Parallel()
			screens <- struct{}{}
			t.Cleanup(func() { <-screens })
			w := newGuarded(t, bobsDoor)
			w.env = []string{"XDG_CONFIG_HOME=" + t.TempDir()}
			p := &pocket{w: w, kind: kind, opts: browser.Options{Profile: t.TempDir()}}
			p.url = "file://" + p.file()
			p.start()
			test(t, p)
		})
	}
}

// file writes the page and returns where.
func (p *pocket) file(args ...string) string {
	p.w.t.Helper()
	path := filepath.Join(p.w.t.TempDir(), "knock.html")
	if err := os.WriteFile(path, []byte(p.w.must(p.w.Gate, append([]string{"page"}, args...)...)), 0o600); err != nil {
		p.w.t.Fatal(err)
	}
	return path
}

func (p *pocket) start() {
	p.w.t.Helper()
	// Not with t.Context, which ends before the cleaning up: a browser that is
	// killed leaves processes behind that still write to its folder.
	b, err := browser.Start(context.Background(), p.w.Client, p.kind, p.opts)
	p.do(err)
	p.Browser = b
	p.w.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			p.w.t.Error(err)
		}
	})
}

func (p *pocket) do(err error) {
	p.w.t.Helper()
	if err != nil {
		p.w.t.Fatal(err)
	}
}

// link is what adds the gate for a client.
func (p *pocket) link(name string) string {
	p.w.t.Helper()
	return strings.TrimSpace(p.w.must(p.w.Gate, "client", "profile", name, "--host", p.w.Client.Gate4.String(), "--page", "-c", p.w.config))
}

// add opens the page with a link, and accepts it.
func (p *pocket) add(link string) {
	p.w.t.Helper()
	p.do(p.Open(p.url + "#" + link))
	p.do(p.Wait("document.querySelector('.question')"))
	p.do(p.Click(".question button.main"))
	p.do(p.Wait("!document.querySelector('.question') && document.querySelector('#notice p:not(.fault)')")) // it has been added
}

// tap clicks on the button of a door, and waits until it says what has come of it.
func (p *pocket) tap(door, state string) {
	p.w.t.Helper()
	p.do(p.Click(fmt.Sprintf("[data-door=%s] button.main", door)))
	p.do(p.Wait(fmt.Sprintf("document.querySelector('[data-door=%s].%s button.main:enabled')", door, state)))
}

// A page from a file opens a door by a rotating sequence, for its own address alone.
func TestPageOpens(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		w := p.w
		p.add(p.link("bob"))
		var address string
		p.do(p.Eval("location.href", &address))
		if address != p.url {
			t.Errorf("the link stays in the address: %s", address)
		}
		w.opens(w.Client, "tcp", at(w.Client, 22), func() {
			p.tap("ssh", "sent")
			w.open(w.Client, "tcp", at(w.Client, 22))
			w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
		})
		if said := p.Text("[data-door=ssh]"); !strings.Contains(said, "If it has opened, it closes in 59:") && !strings.Contains(said, "it closes in 1:00:00") {
			t.Errorf("the page says %q", said)
		}
	})
}

// A page opens each time, and soon. With SALLYPORT_LONG it does so 20 times, and
// says how long a door takes from the tap on.
func TestPageOpensEachTime(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		rounds := 3
		if labtest.Long() {
			rounds = 20
		}
		w := p.w
		var took []time.Duration
		for i := range rounds {
			name := fmt.Sprintf("round%d", i) // a client of its own, whose steps nobody has used
			w.must(w.Gate, "client", "add", name, "--rotating", "--door", "ssh", "-c", w.config)
			p.add(p.link(name))
			p.do(p.Eval("document.addEventListener('click', () => { document.body.dataset.tapped = Date.now(); }, true)", new(any)))
			p.tap("ssh", "sent")
			w.open(w.Client, "tcp", at(w.Client, 22))
			w.ends(w.Client, "tcp", at(w.Client, 22))
			var tapped int64
			p.do(p.Eval("+document.body.dataset.tapped", &tapped))
			took = append(took, w.granted(name).Sub(time.UnixMilli(tapped)))
		}
		slices.Sort(took)
		t.Logf("%d of %d opened; from the tap to the grant: p50 %v, p90 %v", len(took), rounds, took[rounds/2], took[rounds*9/10])
	})
}

// granted returns when the daemon has let a client in, as its log says.
func (w *world) granted(client string) (at time.Time) {
	w.t.Helper()
	for line := range strings.Lines(w.log.String()) {
		if stamp, rest, _ := strings.Cut(strings.TrimPrefix(line, "time="), " "); strings.Contains(rest, "msg=grant ") && strings.Contains(rest, "client="+client+" ") {
			var err error
			if at, err = time.Parse(time.RFC3339Nano, stamp); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return at
}

// Used steps, a restart of the browser, another window, and what it says of each.
func TestPageRemembers(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		w := p.w
		p.add(p.link("bob"))
		p.tap("ssh", "sent")
		w.open(w.Client, "tcp", at(w.Client, 22))
		w.ends(w.Client, "tcp", at(w.Client, 22))

		// The step of this half minute is used up: the next one opens.
		p.tap("ssh", "sent")
		w.open(w.Client, "tcp", at(w.Client, 22))
		w.ends(w.Client, "tcp", at(w.Client, 22))
		p.do(p.Close())
		p.start()
		p.do(p.Open(p.url))
		p.do(p.Wait("document.querySelector('[data-gate]')"))
		said := p.tapUntil("ssh", ".fault")
		if !strings.Contains(said, "The sequences of this half minute have been sent.") && !strings.Contains(said, "The sequence has been sent.") {
			t.Errorf("after a restart the page says %q", said) // the second, where half a minute has gone by
		}

		// With the question first, nothing is sent before the answer.
		p.do(p.Click("details.settings summary"))
		p.do(p.Click("label.check input"))
		p.do(p.Wait("document.querySelector('label.check input[checked]')")) // it has been kept
		p.do(p.Click("[data-door=ssh] button.main"))
		p.do(p.Wait("document.querySelector('.question')"))
		p.do(p.Click(".question button.plain"))
		p.do(p.Wait("!document.querySelector('.question')"))
	})
}

// tapUntil clicks on the button of a door, waits for something to appear below it
// or for the knock to be over, and returns what the page says of the door.
func (p *pocket) tapUntil(door, selector string) string {
	p.w.t.Helper()
	p.do(p.Click(fmt.Sprintf("[data-door=%s] button.main", door)))
	p.do(p.Wait(fmt.Sprintf("document.querySelector('[data-door=%[1]s] %[2]s') || document.querySelector('[data-door=%[1]s].sent button.main:enabled')", door, selector)))
	return p.Text("[data-door=" + door + "]")
}

// The page fits phones and screens: nothing is wider than the window.
func TestPageFits(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		p.add(p.link("bob"))
		p.tap("ssh", "sent")
		p.do(p.Click("details.key summary"))
		for _, language := range []string{"en", "ja"} {
			p.do(p.Wait("document.documentElement.lang === '" + language + "'"))
			for _, width := range []int{360, 1280} {
				png, err := p.Screenshot(width, language == "ja")
				p.do(err)
				if err := os.WriteFile(filepath.Join(t.ArtifactDir(), fmt.Sprintf("%s-%s-%d.png", p.kind, language, width)), png, 0o600); err != nil {
					t.Fatal(err)
				}
				var wider int
				p.do(p.Eval("document.documentElement.scrollWidth - innerWidth", &wider))
				if wider > 0 {
					t.Errorf("%s at %d pixels: %d too wide", language, width, wider)
				}
			}
			p.do(p.Click("header button"))
		}
	})
}

// What cannot work is said, in the reader's language, before anything is sent.
func TestPageExplains(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		link := p.link("bob")
		p.do(p.Open(p.url))
		p.do(p.Wait("document.querySelector('#link')"))
		offer := func(text, want string) {
			t.Helper()
			p.do(p.Open("about:blank"))
			p.do(p.Open(p.url + "#" + text))
			p.do(p.Wait("document.querySelector('#notice .fault, .question')"))
			if said := p.Text("#notice") + p.Text(".question"); !strings.Contains(said, want) {
				t.Errorf("of %q the page says %q, want %q", text, said, want)
			}
		}
		gate := p.w.Client.Gate4.String()
		offer(strings.Replace(link, gate, "gate.example.org", 1), "gate.example.org is a name")
		offer(strings.Replace(link, "tcp", "both", 1), "UDP knocks")
		offer(link[:len(link)-40], "a part of it is missing")
		offer("sallyport://"+gate+"?d=ssh&p=6000&k="+newServerKey(t), "Browsers refuse to send to port 6000")
		offer("sallyport://"+gate+"?d=ssh&p=6001&k=sallyport-server-public-v1:mlkem768-x25519:AAAA", "post-quantum suite")
		offer("sallyport://"+gate+"?d=ssh&p=6001&k="+newServerKey(t)+"A", "key is damaged")
		offer(link+"&w=javascript:alert(1)", "is not an address that the page will lead to")
		offer(link[:strings.Index(link, "&t=")]+"&t=4000000000", "The clock of this device is wrong")
		p.do(p.Click(".question button.main"))
		p.do(p.Wait("document.querySelector('[data-gate]')"))
		if said := p.tapUntil("ssh", ".fault"); !strings.Contains(said, "The clock of this device is wrong") {
			t.Errorf("with a wrong clock the page says %q", said)
		}
		offer(strings.Replace(link, gate, "203.0.113.200", 1), "This link is for another gate")
		offer(link, "Replace it?")
		p.do(p.Click("header button"))
		p.do(p.Wait("document.documentElement.lang === 'ja'"))
		if said := p.Text("[data-door=ssh]"); !strings.Contains(said, "を開ける") {
			t.Errorf("in Japanese: %q", said)
		}
		p.closed(p.w)
	})
}

func (p *pocket) closed(w *world) {
	w.t.Helper()
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

// In a frame, and by plain http from elsewhere, the page only says why it does not run.
func TestPageRefuses(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		page, err := os.ReadFile(strings.TrimPrefix(p.url, "file://"))
		if err != nil {
			t.Fatal(err)
		}
		frame := filepath.Join(t.TempDir(), "frame.html")
		if err := os.WriteFile(frame, []byte(`<iframe srcdoc="`+html.EscapeString(string(page))+`"></iframe>`), 0o600); err != nil {
			t.Fatal(err)
		}
		p.do(p.Open("file://" + frame))
		p.do(p.Wait("document.querySelector('iframe').contentDocument.querySelector('#framed')"))

		w := p.w
		listener, err := w.Gate.Listen("tcp", at(w.Client, 80).String())
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(page) })}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { server.Close() })
		p.do(p.Open("http://" + w.Client.Gate4.String() + "/"))
		p.do(p.Wait("document.querySelector('#no-crypto')"))
	})
}
