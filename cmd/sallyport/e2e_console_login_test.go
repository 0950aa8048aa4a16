//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab/browser"
	"sallyport/internal/lab/labtest"
)

// A link lets one browser in, once, and takes the place of a session there only when asked
// to: who opens it again is shown the way to another one, and a page without the token of its session is not let in by the cookie alone.
func TestConsoleLinkWorksOnce(t *testing.T) {
	w := watchPage(t, sshDoor, "act")
	var address string
	w.do(w.Eval("location.href", &address))
	if strings.Contains(address, "login=") {
		t.Errorf("the link stays in the address: %s", address)
	}
	out := w.must(w.Gate, "console", "login", "--user", "alice", "-c", w.console)
	link := strings.TrimSpace(out)
	forget := func() {
		w.do(w.Eval("(sessionStorage.clear(), 0)", new(any)))
		w.do(w.Open("about:blank"))
	}
	forget()
	w.do(w.Open(link))
	w.has("[data-act=replace]")
	w.do(w.Click("[data-act=replace]"))
	w.has(".pulse.on")
	forget()
	w.do(w.Open(link))
	w.has(".login .fault")
	if said := w.Text(".login"); !strings.Contains(said, "used up") || !strings.Contains(said, "sallyport console login") {
		t.Errorf("the page says %q", said)
	}
	forget()
	w.do(w.Open(link[:strings.Index(link, "#")]))
	w.has(".login")
	var status int
	w.do(w.Eval("fetch('/v1/status').then((r) => r.status)", &status))
	if status != 401 {
		t.Errorf("the cookie alone: %d", status)
	}
}

// Over TLS at its origin a user makes a passkey, logs out, and comes in with it; what he
// does is in the journal under his name, and the credential is for the console alone.
func TestConsolePasskey(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "browser", browser.Kinds[0])
	seat(t)
	w := &watched{world: newGuarded(t, sshDoor)}
	w.console = filepath.Join(w.dir, "console.toml")
	cert, key := selfSigned(t, w.dir)
	w.do(os.WriteFile(w.console, fmt.Appendf(nil, "[console]\nlisten = %q\norigin = \"https://gate.test:8443\"\ntls_cert = %q\ntls_key = %q\nsocket = %q\nstate_dir = %q\nrun_dir = %q\n[[user]]\nname = \"alice\"\nrights = \"act\"\n",
		w.Client.Gate4.String()+":8443", cert, key, w.socket, w.folder("console-state"), w.folder("console-run")), 0o600))
	w.serveConsole()
	b, err := browser.Start(context.Background(), w.Client, browser.Kinds[0], browser.Options{Profile: t.TempDir(), Names: w.Client.Gate4})
	w.do(err)
	w.Browser = b
	t.Cleanup(func() { w.do(b.Close()) })
	w.do(w.AddAuthenticator())
	w.logIn("act")

	w.do(w.Eval("(location.hash = '#/account', 0)", new(any)))
	w.has("[data-card=passkeys] form input[name=name]")
	w.do(w.Eval(`(() => { const i = document.querySelector('[data-card=passkeys] input[name=name]'); i.value = 'laptop'; i.dispatchEvent(new Event('input', { bubbles: true })); return 0; })()`, new(any)))
	w.do(w.Click("[data-act=passkey-add]"))
	w.do(w.Wait("/laptop/.test(document.querySelector('[data-card=passkeys]')?.innerText) || document.querySelector('[data-card=passkeys] .fault')"))
	if said := w.Text("[data-card=passkeys] .fault"); said != "" {
		t.Fatalf("no passkey: %s", said)
	}
	for range 2 {
		w.do(w.Click("[data-act=logout]"))
		w.has(".login [data-act=passkey]")
		w.do(w.Click(".login [data-act=passkey]"))
		w.do(w.Wait("document.querySelector('[data-act=logout]') || document.querySelector('.login .fault')"))
		if said := w.Text(".login .fault"); said != "" {
			t.Fatalf("not let in: %s", said)
		}
		w.do(w.Wait("/laptop/.test(document.querySelector('[data-card=passkeys]')?.innerText)")) // nothing moves under the pointer any more
	}
	var status int
	w.do(w.Eval(`fetch('/v1/open', { method: 'POST', headers: { 'Content-Type': 'application/json', 'Sallyport-Session': sessionStorage.getItem('session') },
		body: JSON.stringify({ door: 'ssh', source: '`+w.Client.IP4.String()+`' }) }).then((r) => r.status)`, &status))
	if status != 200 {
		t.Errorf("opened with %d", status)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	if journal := w.must(w.Gate, "events", "--kind", "grant", "--json", "-c", w.config); !strings.Contains(journal, "says alice") {
		t.Errorf("the journal does not say who: %s", journal)
	}
	var cookies, relying string
	w.do(w.Eval("document.cookie", &cookies))
	w.do(w.Eval("fetch('/passkey/begin', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' }).then((r) => r.json()).then((o) => o.publicKey.rpId)", &relying))
	if cookies != "" || relying != "gate.test" {
		t.Errorf("scripts see the cookies %q; the relying party is %q", cookies, relying)
	}
}
