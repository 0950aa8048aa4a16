//go:build linux

package console

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/lab/labtest"
)

// running is a console that serves.
type running struct {
	*tested
	address string
	end     func()
}

func newRunning(t *testing.T, change func(cfg *config.Console, c *Console)) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	x := &running{tested: newTested(t, ""), address: l.Addr().String()}
	x.cfg.Listen = netip.MustParseAddrPort(x.address)
	if change != nil {
		change(x.cfg, x.Console)
	}
	there, ended := make(chan struct{}), make(chan error, 1)
	x.Console.ready = func() { close(there) }
	ctx, end := context.WithCancel(context.Background())
	go func() { ended <- x.Run(ctx) }()
	x.end = func() {
		if end(); ended != nil {
			if err := <-ended; err != nil {
				t.Error(err)
			}
			ended = nil
		}
	}
	t.Cleanup(func() { x.end() })
	select {
	case <-there:
	case err := <-ended:
		t.Fatal(err)
	}
	return x
}

func (x *running) dial() net.Conn {
	x.t.Helper()
	conn, err := net.Dial("tcp", x.address)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { conn.Close() })
	return conn
}

// page loads the page by a connection of its own.
func (x *running) page() error {
	conn := x.dial()
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(labtest.Patience))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "HTTP/1.1 200") {
		err = fmt.Errorf("answered %q", line)
	}
	return err
}

// A thousand connections that say nothing keep nobody out: not one who comes, and not one
// who has a session.
func TestThousandConnections(t *testing.T) {
	x := newRunning(t, nil)
	for range 1000 {
		x.dial()
	}
	for range 20 {
		if err := x.page(); err != nil {
			t.Fatal(err)
		}
	}
}

// Who is slow with a request is cut off: with its header, and with its body.
func TestSlowClients(t *testing.T) {
	x := newRunning(t, func(_ *config.Console, c *Console) {
		c.patience = patience{header: 200 * time.Millisecond, request: 400 * time.Millisecond, answer: 200 * time.Millisecond}
	})
	for name, begin := range map[string]string{
		"silent":      "",
		"slow header": "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
		"slow body":   "POST /session HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := x.dial()
			if _, err := io.WriteString(conn, begin); err != nil {
				t.Fatal(err)
			}
			go func() {
				for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
					if begin != "" {
						if _, err := conn.Write([]byte("x")); err != nil {
							return
						}
					}
				}
			}()
			_ = conn.SetReadDeadline(time.Now().Add(labtest.Patience))
			if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("not cut off: %v", err)
			}
		})
	}
}

// A reader that does not read what it has asked for is cut off, and holds no place at the
// daemon meanwhile.
func TestSlowReader(t *testing.T) {
	x := newRunning(t, func(_ *config.Console, c *Console) { c.patience.answer = 300 * time.Millisecond })
	x.daemon.do = func(w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			if _, err := w.Write(make([]byte, kept)); err != nil {
				return
			}
		}
	}
	b := x.loggedIn("alice", "")
	for range asking {
		conn := x.dial()
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		fmt.Fprintf(conn, "GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1:9479\r\nCookie: %s=%s\r\n%s: %s\r\n\r\n", b.cookie.Name, b.cookie.Value, sessionHeader, b.token)
	}
	for deadline := time.Now().Add(labtest.Patience); ; time.Sleep(10 * time.Millisecond) {
		if _, _, n := x.daemon.last(); n > 0 && len(x.Console.daemon.places) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d places are taken", len(x.Console.daemon.places))
		}
	}
}

// A header that is too long, and one with two hosts, are refused before anything reads them.
func TestHeaders(t *testing.T) {
	x := newRunning(t, nil)
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"GET //evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"GET /v1%2f..%2fdown HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"GET /%2e%2e/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"POST /session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
	} {
		conn := x.dial()
		_, _ = io.WriteString(conn, text)
		_ = conn.SetReadDeadline(time.Now().Add(labtest.Patience))
		if line, _ := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 4") {
			t.Errorf("%.60q is answered with %q", text, line)
		}
	}
}

// Root and the console's own user have links made by the command's way, and no other user:
// not even one to whom the socket's file is open.
func TestDesk(t *testing.T) {
	x := newRunning(t, nil)
	a, err := Link(t.Context(), x.cfg, LinkRequest{User: "alice", Rights: "view"})
	if err != nil || a.User != "alice" || a.Right != "view" || !strings.HasPrefix(a.Link, "http://"+x.address+"/#login=") || a.Local != "" {
		t.Fatalf("%+v, %v", a, err)
	}
	_, token, _ := strings.Cut(a.Link, "#login=")
	b := x.browser()
	if w := b.enter(token); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := Link(t.Context(), x.cfg, LinkRequest{User: "alice", Rights: "admin"}); err == nil || err.(*control.Error).Hint() == "" {
		t.Errorf("%v", err)
	}
	if info, err := os.Stat(deskOf(x.cfg)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	second, err := New(Options{Config: x.cfg, Page: http.NotFoundHandler(), Log: x.Console.log})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another console listens") {
		t.Errorf("a second console: %v", err)
	}
	x.end()
	if _, err := Link(t.Context(), x.cfg, LinkRequest{User: "alice"}); err == nil || !strings.Contains(err.Error(), "the console does not answer") {
		t.Errorf("%v", err)
	}
}

// counting is a log that counts its lines.
type counting struct{ n atomic.Int64 }

func (c *counting) Warn(string, ...any) { c.n.Add(1) }

// Any user of the host can connect to a socket for the proxy; the log has no line for each
// time.
func TestUnknownUsersDoNotFillTheLog(t *testing.T) {
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := listenUnix(filepath.Join(dir, "s"), 0o666)
	if err != nil {
		t.Fatal(err)
	}
	lines, began := &counting{}, time.Now()
	go func() { _, _ = (&known{Listener: l, log: lines, may: func(uint32) bool { return false }}).Accept() }()
	defer l.Close()
	for range 200 {
		conn, err := net.Dial("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn) // until it is cut off
		conn.Close()
	}
	if n, most := lines.n.Load(), int64(time.Since(began)/time.Second)+1; n == 0 || n > most {
		t.Errorf("%d lines for 200 tries, want %d at most", n, most)
	}
}

// A user who may not connect is cut off, whatever the mode of the file.
func TestKnownUsers(t *testing.T) {
	for name, may := range map[string]bool{"known": true, "unknown": false} {
		dir, err := os.MkdirTemp("", "c")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		l, err := listenUnix(filepath.Join(dir, "s"), 0o666)
		if err != nil {
			t.Fatal(err)
		}
		x := newTested(t, "")
		k := &known{Listener: l, log: x.Console.log, may: func(uid uint32) bool {
			if uid != uint32(unix.Geteuid()) {
				t.Errorf("the user is %d", uid)
			}
			return may
		}}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "in") })}
		go func() { _ = server.Serve(k) }()
		conn, err := net.Dial("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
		text, _ := io.ReadAll(conn)
		if got := strings.HasSuffix(string(text), "in"); got != may {
			t.Errorf("%s: %q", name, text)
		}
		server.Close()
	}
}

// authority signs certificates of a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue(name, nil)
	return a
}

// issue makes a certificate for a name, in files of that name.
func (a *authority) issue(name string, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, IsCA: by == nil}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{a.file(name): {Type: "CERTIFICATE", Bytes: der}, a.file(name + ".key"): {Type: "PRIVATE KEY", Bytes: pkcs}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// pair is a certificate that was issued.
func (a *authority) pair(name string) tls.Certificate {
	a.t.Helper()
	p, err := tls.LoadX509KeyPair(a.file(name), a.file(name+".key"))
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

// get loads the page over TLS.
func get(address string, pool *x509.CertPool, host string, certs ...tls.Certificate) (status int, protocol string, err error) {
	client := &http.Client{Timeout: labtest.Patience, Transport: &http.Transport{ForceAttemptHTTP2: true, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certs}}}
	r, err := http.NewRequest("GET", "https://"+host+"/", nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("X-Forwarded-For", "192.0.2.9")
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	response.Body.Close()
	return response.StatusCode, response.Proto, nil
}

// With TLS the console is at its origin alone, and reads its certificate again.
func TestTLS(t *testing.T) {
	a := newAuthority(t, "authority")
	a.issue("gate.example.net", a)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	x := newRunning(t, func(cfg *config.Console, _ *Console) {
		cfg.Origin, cfg.TLSCert, cfg.TLSKey = consoleOrigin, a.file("gate.example.net"), a.file("gate.example.net.key")
	})
	if status, protocol, err := get(x.address, pool, "gate.example.net"); err != nil || status != http.StatusOK || protocol != "HTTP/2.0" {
		t.Errorf("%d %s %v", status, protocol, err)
	}
	if conn, err := tls.Dial("tcp", x.address, &tls.Config{RootCAs: pool, ServerName: "gate.example.net", MaxVersion: tls.VersionTLS12}); err == nil {
		conn.Close()
		t.Error("TLS 1.2 is spoken")
	}
	other := newAuthority(t, "other")
	other.issue("gate.example.net", other)
	for _, name := range []string{"gate.example.net", "gate.example.net.key"} {
		text, err := os.ReadFile(other.file(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(a.file(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool.AddCert(other.cert)
	if status, _, err := get(x.address, pool, "gate.example.net"); err != nil || status != http.StatusOK {
		t.Errorf("with a new certificate: %d %v", status, err)
	}
	x.end()
	a.issue("elsewhere.example.net", a)
	x = newRunning(t, func(cfg *config.Console, _ *Console) {
		cfg.Origin, cfg.TLSCert, cfg.TLSKey = consoleOrigin, a.file("elsewhere.example.net"), a.file("elsewhere.example.net.key")
	})
	if status, _, err := get(x.address, pool, "elsewhere.example.net"); err != nil || status != http.StatusMisdirectedRequest {
		t.Errorf("another name: %d %v", status, err)
	}
}

// A proxy at an address has to show a certificate of its own: not one of another name, nor
// of another authority.
func TestProxyCertificate(t *testing.T) {
	a, other := newAuthority(t, "authority"), newAuthority(t, "other")
	for _, name := range []string{"gate.example.net", "proxy.example.net", "mallory.example.net"} {
		a.issue(name, a)
	}
	other.issue("proxy.example.net", other)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	at := l.Addr().String()
	newRunning(t, func(cfg *config.Console, _ *Console) {
		cfg.Origin = consoleOrigin
		cfg.Proxy = config.ConsoleProxy{Listen: at, TLSCert: a.file("gate.example.net"), TLSKey: a.file("gate.example.net.key"), ClientCA: a.file("authority"), ClientName: "proxy.example.net"}
	})
	if status, _, err := get(at, pool, "gate.example.net", a.pair("proxy.example.net")); err != nil || status != http.StatusOK {
		t.Errorf("%d %v", status, err)
	}
	for name, certs := range map[string][]tls.Certificate{"none": nil, "another name": {a.pair("mallory.example.net")}, "another authority": {other.pair("proxy.example.net")}} {
		if status, _, err := get(at, pool, "gate.example.net", certs...); err == nil {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// The proxy's user is looked up by name and by number.
func TestUserID(t *testing.T) {
	for name, want := range map[string]uint32{"root": 0, "0": 0} {
		if id, err := userID(name); err != nil || id != want {
			t.Errorf("%q: %d, %v", name, id, err)
		}
	}
	for _, name := range []string{"no-such-user", strconv.Itoa(1 << 30)} {
		if id, err := userID(name); err == nil {
			t.Errorf("%q: %d", name, id)
		}
	}
}
