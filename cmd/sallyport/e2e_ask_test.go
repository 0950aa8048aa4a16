//go:build linux && !client_only

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/spa"
)

// asks returns who waits, once so many do.
func (w *world) asks(want int) (list []control.Ask) {
	w.t.Helper()
	w.eventually("so many ask", func() bool {
		list = nil
		if err := json.Unmarshal([]byte(w.must(w.Gate, "asks", "--json", "-c", w.config)), &list); err != nil {
			w.t.Fatal(err)
		}
		return len(list) == want
	})
	return list
}

// asked has the client ask, and returns the code.
func (w *clientWorld) asked(words ...string) string {
	w.t.Helper()
	var a struct{ Code string }
	if err := json.Unmarshal([]byte(w.do(append([]string{"ask", "--json"}, words...)...)), &a); err != nil || len(a.Code) != 7 {
		w.t.Fatalf("%+v %v", a, err)
	}
	return a.Code
}

// A client asks for a door that it may not open, and an operator lets it in: this
// address, this door, this long. No other code, address or time does.
func TestAskAndApprove(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t, lab.Options{}, nil)
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.configureWhole(strings.Replace(string(text), `doors = ["ssh"]`, `doors = ["attic"]`, 1) + "[[door]]\nname = \"attic\"\nports = [\"tcp/23\"]\n")
	w.must(w.Gate, "reload", "--force", "-c", w.config)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if _, errs, status := w.try("knock", "gate", "--timeout", "1s"); status != 1 {
		t.Errorf("a client without doors knocks: %s", errs)
	}

	older, code := w.asked("gate", "ssh"), w.asked("gate", "ssh")
	a := w.asks(1)[0]
	if a.Client != "alice" || a.Source != w.Client.IP4 || a.Door != "ssh" || a.Family != "ipv4" {
		t.Errorf("%+v", a)
	}
	if out := w.must(w.Gate, "asks", "-c", w.config); !strings.Contains(out, "alice from "+w.Client.IP4.String()+", door ssh") || strings.Contains(out, code) {
		t.Error(out)
	}
	for _, wrong := range []string{older, "BCD FGH", "KKKKKK"} {
		if _, errs, status := w.run(w.Gate, "approve", wrong, "-c", w.config); status != 1 || !strings.Contains(errs, "nobody who waits has this code") {
			t.Errorf("%s: %d %s", wrong, status, errs)
		}
	}
	if _, errs, status := w.run(w.Gate, "approve", "hello", "-c", w.config); status != 1 || !strings.Contains(errs, "has the letters") {
		t.Errorf("%d %s", status, errs)
	}
	w.closed(w.Client, "tcp", at(w.Client, 22))
	out := w.must(w.Gate, "approve", strings.ToLower(code), "--for", "10m", "-c", w.config)
	if !strings.Contains(out, `door "ssh" is open for `+w.Client.IP4.String()+" (alice)") {
		t.Error(out)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	if _, _, status := w.run(w.Gate, "approve", code, "-c", w.config); status != 1 {
		t.Error("a code works twice")
	}
	w.must(w.Gate, "revoke", "--source", w.Client.IP4.String(), "-c", w.config)
	w.closed(w.Client, "tcp", at(w.Client, 22))

	w.asked("gate6")
	if a := w.asks(1)[0]; a.Source != w.Client.IP6 || a.Door != "" || a.Family != "ipv6" {
		t.Errorf("%+v", a)
	} else if out := w.must(w.Gate, "refuse", a.ID[:5], "-c", w.config); !strings.Contains(out, "is not let in") {
		t.Error(out)
	}
	w.asks(0)
	w.journaled("allowed by root, asked as "+a.ID, "--kind", "allowed")
	w.journaled("refused by root", "--kind", "declined")
	if strings.Contains(w.log.String(), code) || strings.Contains(w.log.String(), strings.ReplaceAll(code, " ", "")) {
		t.Error("the log has the code")
	}

	w.asked("gate")
	w.asks(1)
	w.kill()
	w.start()
	w.asks(0) // a restart forgets it
}

// configureWhole writes a configuration as it is.
func (w *world) configureWhole(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// An ask opens nothing and is not answered; those who have ended cannot
// ask, those who are banned cannot, and a copy from a second address ends it.
func TestAskOpensNothing(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	asks := func(h *spa.Header) { h.Op, h.Ack = spa.Ask, false }
	m := w.seal(w.alice, netip.Addr{}, asks)
	conn := w.send(w.Client, w.Client.Gate4, m.Datagram)
	w.asks(1)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.send(w.Client, w.Client.Gate4, w.seal(newProver(t), netip.Addr{}, asks).Datagram)
	w.eventually("a stranger's is refused", func() bool { return w.status().Refusals[event.UnknownClient] > 0 })
	w.send(w.Attacker, w.Attacker.Gate4, m.Datagram)
	w.asks(0)
	w.must(w.Gate, "ban", "add", w.Attacker.IP4.String(), "-c", w.config)
	w.send(w.Attacker, w.Attacker.Gate4, w.seal(w.alice, netip.Addr{}, asks).Datagram)
	w.eventually("that of a banned source is refused", func() bool { return w.status().Refusals[event.Banned] > 0 })
	w.asks(0)
	conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, _, err := conn.ReadFrom(make([]byte, 2000)); err == nil {
		t.Errorf("an ask was answered with %d bytes", n)
	}
}

// People who have nothing ask on the page: over TLS, from where they will connect, and
// see there that they have been let in.
func TestAskOnThePage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newGuarded(t, journaledDoor+fmt.Sprintf("[[hook]]\non = [\"ask\"]\ncommand = [%q]\n[[webhook]]\nurl = \"http://127.0.0.1:8098/\"\non = [\"asked\", \"allowed\"]\n", mailByHook(t, dir)))
	heard := w.listenForWebhooks("127.0.0.1:8098")
	certificate, key := selfSigned(t, w.dir)
	serving := w.sallyport(w.Gate, "asks", "serve", "-c", w.config, "--listen", "[::]:8443", "--tls-cert", certificate, "--tls-key", key)
	said := &lockedBuffer{}
	serving.Stderr = said
	if err := serving.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = serving.Process.Kill(); _ = serving.Wait() })
	w.eventually("the page is served", func() bool { return strings.Contains(said.String(), "people can ask") })

	person := w.passerby(w.Client)
	page := person.load(http.MethodPost, "https://gate:8443/", url.Values{"note": {"Bob, on the road"}})
	found := regexp.MustCompile(`aria-hidden="true">([A-Z]{3} [A-Z]{3})<`).FindStringSubmatch(page.text)
	if found == nil {
		t.Fatalf("%d %s", page.status, page.text)
	}
	a := w.asks(1)[0]
	if a.Source != w.Client.IP4 || a.Client != "" || a.Note != "Bob, on the road" {
		t.Errorf("%+v", a)
	}
	if again := person.load(http.MethodPost, "https://gate:8443/", url.Values{}); again.status != http.StatusConflict {
		t.Errorf("a second ask of the same address: %d", again.status)
	}
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.eventually("a mail is sent", func() bool { return exists(filepath.Join(dir, "spooled")) })
	mail, err := os.ReadFile(filepath.Join(dir, "spooled"))
	if err != nil || !strings.HasPrefix(string(mail), "To: root\nSubject: Sallyport: asked\n\n"+w.Client.IP4.String()) || !strings.Contains(string(mail), "writes: Bob, on the road") {
		t.Errorf("%v\n%s", err, mail)
	}
	asked := <-heard
	w.must(w.Gate, "approve", found[1], "-c", w.config)
	allowed := <-heard
	if !strings.Contains(asked, `"kind":"asked"`) || !strings.Contains(allowed, `"kind":"allowed"`) {
		t.Errorf("webhooks hear %s and %s", asked, allowed)
	}
	for _, code := range []string{found[1], strings.ReplaceAll(found[1], " ", "")} {
		if strings.Contains(string(mail)+asked+allowed+w.log.String()+said.String(), code) {
			t.Error("a notice or a log has the code")
		}
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	person.until(page.at, "You are let in")

	other := w.passerby(w.Attacker)
	page = other.load(http.MethodPost, "https://gate:8443/", url.Values{})
	w.must(w.Gate, "refuse", w.asks(1)[0].ID, "-c", w.config)
	other.until(page.at, "You are not let in")
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
}

// passerby loads pages from a host of the lab.
type passerby struct {
	t    *testing.T
	http http.Client
}

type loaded struct {
	status   int
	at, text string
}

func (w *world) passerby(h *lab.Host) *passerby {
	return &passerby{w.t, http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return h.Dial(ctx, "tcp", at(h, 8443).String())
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a certificate of the test
	}}}
}

// until loads a page again at the pace of a browser until it says something.
func (b *passerby) until(at, want string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Second) {
		page := b.load(http.MethodGet, at, nil)
		if strings.Contains(page.text, want) {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("it never says %q: %d %s", want, page.status, page.text)
		}
	}
}

func (b *passerby) load(method, at string, form url.Values) loaded {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, at, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return loaded{response.StatusCode, response.Request.URL.String(), string(text)}
}

// selfSigned makes a certificate for the test.
func selfSigned(t *testing.T, dir string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"gate"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "asks.crt"), filepath.Join(dir, "asks.key")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}
