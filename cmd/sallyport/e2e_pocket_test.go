//go:build linux && !client_only

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
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

// screens bounds how many of the labs have a browser: each can keep two processors busy.
var screens = make(chan struct{}, 2)

// seat waits for a place of a browser. The place of the lab comes first, always: who waits
// here has one, and who has a browser waits for no lab.
func seat(t *testing.T) {
	t.Helper()
	admit(t)
	screens <- struct{}{}
	t.Cleanup(func() { <-screens })
}

// inBrowsers runs a test in each browser, in a lab whose client has the page.
// Firefox takes long to start: where time is short it is there for one test.
func inBrowsers(t *testing.T, test func(t *testing.T, p *pocket)) {
	t.Parallel()
	for _, kind := range browser.Kinds {
		t.Run(kind, func(t *testing.T) {
			labtest.Need(t, "browser", kind)
			if kind != browser.Kinds[0] && t.Name() != "TestPageOpens/"+kind && !labtest.Long() {
				t.Skip("needs SALLYPORT_LONG")
			}
			t.Parallel()
			seat(t)
			w := newGuarded(t, "[spa]\nport = 40321\nstun = true\n"+bobsDoor)
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

// tapUntil clicks on the button of a door, waits for something to appear below it
// or for the knock to be over, and returns what the page says of the door.
func (p *pocket) tapUntil(door, selector string) string {
	p.w.t.Helper()
	p.do(p.Click(fmt.Sprintf("[data-door=%s] button.main", door)))
	p.do(p.Wait(fmt.Sprintf("document.querySelector('[data-door=%[1]s] %[2]s') || document.querySelector('[data-door=%[1]s].sent button.main:enabled')", door, selector)))
	return p.Text("[data-door=" + door + "]")
}

// enrol adds the page's key as a client of the gate, and the gate to the page. It
// returns the key.
func (p *pocket) enrol(name string) string {
	p.w.t.Helper()
	p.do(p.Wait("document.querySelector('details.key')"))
	p.do(p.Click("details.key summary"))
	file := filepath.Join(p.w.t.TempDir(), "phone.pub")
	line := p.Text("#key")
	if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
		p.w.t.Fatal(err)
	}
	p.do(p.Click("details.key summary"))
	p.w.must(p.w.Gate, "client", "add", name, "--key", file, "--browser", "--door", "ssh", "-c", p.w.config)
	p.add(p.link(name))
	return line
}

// spoil returns a page before which a script has run. Its policy, which would forbid
// that script, is taken out.
func (p *pocket) spoil(script string) string {
	p.w.t.Helper()
	text, err := os.ReadFile(p.file())
	p.do(err)
	before, after, ok := strings.Cut(string(text), "<meta http-equiv")
	_, after, closed := strings.Cut(after, ">")
	if !ok || !closed {
		p.w.t.Fatal("the page has no policy")
	}
	path := filepath.Join(p.w.t.TempDir(), "spoilt.html")
	p.do(os.WriteFile(path, []byte(before+"<script>"+script+"</script>"+after), 0o600))
	return "file://" + path
}

// serve has a web server on the gate, by https, and returns the page's address there.
func (p *pocket) serve() string {
	t := p.w.t
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.do(err)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"knock.test"},
		Subject: pkix.Name{CommonName: "knock.test"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, private.Public(), private)
	p.do(err)
	text, err := os.ReadFile(strings.TrimPrefix(p.url, "file://"))
	p.do(err)
	listener, err := p.w.Gate.Listen("tcp", at(p.w.Client, 443).String())
	p.do(err)
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
	server := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}, Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(text) })}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { server.Close() })
	return "https://" + p.w.Client.Gate4.String() + "/"
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
