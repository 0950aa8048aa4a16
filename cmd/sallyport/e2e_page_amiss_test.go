//go:build linux && !client_only

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is wrong with a browser is said, and no door opens by accident.
func TestPageInBadBrowsers(t *testing.T) {
	clock := func(off time.Duration) string {
		return fmt.Sprintf("Date.now = ((now) => () => now() + %d)(Date.now);", off.Milliseconds())
	}
	inBrowsers(t, func(t *testing.T, p *pocket) {
		w := p.w
		says := func(selector, want string) {
			t.Helper()
			p.do(p.Wait(fmt.Sprintf("document.querySelector(%q)", selector)))
			if said := p.Text(selector); !strings.Contains(said, want) {
				t.Errorf("the page says %q, want %q", said, want)
			}
		}

		// Nothing can be kept: it works, until the page is closed.
		p.url = p.spoil("IDBFactory.prototype.open = () => { throw new DOMException('', 'SecurityError'); };")
		p.do(p.Open(p.url))
		says("#not-kept", "This browser keeps nothing here")
		p.enrol("forgetful")
		w.opens(w.Client, "tcp", at(w.Client, 22), func() { p.tap("ssh", "open") })

		p.url = p.spoil("delete self.RTCPeerConnection;")
		p.add(p.link("bob"))
		says("#notice", "The gate") // and not what is said before
		if said := p.tapUntil("ssh", ".fault"); !strings.Contains(said, "This browser cannot knock: WebRTC is switched off") {
			t.Errorf("without WebRTC: %q", said)
		}
		p.do(p.Open("about:blank"))
		p.do(p.Open(p.url))
		says("#notice .fault", "This browser cannot knock: WebRTC is switched off")

		p.url = p.spoil(clock(-24 * time.Hour))
		p.add(p.link("bob"))
		if said := p.tapUntil("ssh", ".fault"); !strings.Contains(said, "The clock of this device is wrong") {
			t.Errorf("a day behind: %q", said)
		}
		p.url = p.spoil(clock(24 * time.Hour))
		p.do(p.Open(p.url))
		p.enrol("ahead")
		if said := p.tapUntil("ssh", ".fault"); !strings.Contains(said, "No answer. The clock of this device says") {
			t.Errorf("a day ahead: %q", said)
		}
		p.closed(w)
	})
}

// Two windows share what has been used, and a gate that is removed in one is gone in
// the other.
func TestPageInTwoWindows(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		p.url = p.serve()
		p.add(p.link("bob"))
		p.do(p.Eval("document.querySelector('header button').addEventListener('click', () => { self.second = open(location.href); }) || 0", new(any)))
		p.do(p.Click("header button"))
		p.do(p.Wait("self.second && second.document.querySelector('[data-door=ssh] button.main')"))
		other := func(selector string) {
			p.do(p.Eval("second.document.querySelector('"+selector+"').click() || 0", new(any)))
		}
		p.tap("ssh", "sent")
		other("[data-door=ssh] button.main")
		p.do(p.Wait("second.document.querySelector('[data-door=ssh].sent button.main:enabled')"))
		// Both steps that the gate takes are used, unless a new half minute has begun.
		p.tapUntil("ssh", ".fault")
		other("details.settings > button")
		p.do(p.Wait("second.document.querySelector('.question button.main')"))
		other(".question button.main")
		p.do(p.Wait("!second.document.querySelector('[data-gate]')"))
		if said := p.tapUntil("ssh", ".fault"); !strings.Contains(said, "in another window") && !strings.Contains(said, "別のウィンドウ") {
			t.Errorf("of a gate that is gone the page says %q", said)
		}
	})
}

// A page with a gate in it, served on this machine, goes on after a restart of the
// browser; its shortcut chooses a door, and does not knock.
func TestPageServed(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		w := p.w
		profile := filepath.Join(t.TempDir(), "bob.link")
		if err := os.WriteFile(profile, []byte(p.link("bob")), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := w.sallyport(w.Client, "page", "--with", profile, "--serve")
		said := &lockedBuffer{}
		cmd.Stderr = said
		p.do(cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		w.eventually("it is served", func() bool { return strings.Contains(said.String(), "http://127.0.0.1:8022/") })
		other := &http.Client{Transport: &http.Transport{DialContext: w.Client.Dial}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8022/", nil)
		p.do(err)
		request.Host = "evil.example.org:8022"
		answer, err := other.Do(request)
		p.do(err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("a page of others gets %s", answer.Status)
		}

		p.url = "http://127.0.0.1:8022/"
		p.do(p.Open(p.url + "#door=ssh"))
		p.do(p.Wait("document.activeElement.matches('.chosen[data-door=ssh] button.main')"))
		p.closed(w)
		p.tap("ssh", "sent")
		w.open(w.Client, "tcp", at(w.Client, 22))
		w.ends(w.Client, "tcp", at(w.Client, 22))
		p.enrol("phone") // the same gate, by another way
		p.do(p.Close())
		p.start()
		p.do(p.Open(p.url + "#door=ssh&gate=" + w.Client.Gate4.String()))
		p.do(p.Wait("document.querySelector('.chosen')"))
		w.opens(w.Client, "tcp", at(w.Client, 22), func() { p.tap("ssh", "open") })
		p.do(p.Open("about:blank"))
		p.do(p.Open(p.url + "#door=nothing"))
		p.do(p.Wait("/This shortcut is for the door nothing/.test(document.querySelector('#notice')?.innerText)"))
		p.do(cmd.Process.Signal(os.Interrupt))
		if err := <-ended; err != nil {
			t.Errorf("served until it was interrupted: %v, %s", err, said)
		}
	})
}
