//go:build linux && !client_only

package main

import (
	"fmt"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
