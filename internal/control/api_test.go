package control

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const token = "0123456789abcdef0123456789abcdef" // of these tests only

func secret(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// revoking is a token that ends grants.
func revoking(file string) []Token { return []Token{{file, Revoke}} }

// offer runs an API until the test ends, and returns its address.
func offer(t *testing.T, a API, h Handler) string {
	t.Helper()
	a.Address = "127.0.0.1:0"
	s, err := ListenAPI(a, h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return s.listener.Addr().String()
}

func ask(t *testing.T, client *http.Client, method, url, authorization, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestAPI(t *testing.T) {
	f := &fake{}
	url := "http://" + offer(t, API{Tokens: revoking(secret(t, token+"\n"))}, f)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for name, c := range map[string]struct {
		method, path, authorization string
		want                        int
	}{
		"nothing shown":        {"POST", "/revoke", "", 401},
		"another token":        {"POST", "/revoke", "Bearer " + strings.Replace(token, "0", "1", 1), 401},
		"the beginning":        {"POST", "/revoke", "Bearer " + token[:31], 401},
		"more":                 {"POST", "/revoke", "Bearer " + token + "0", 401},
		"no bearer":            {"POST", "/revoke", token, 401},
		"basic":                {"POST", "/revoke", "Basic " + token, 401},
		"status":               {"GET", "/status", "Bearer " + token, 403},
		"open":                 {"POST", "/open", "Bearer " + token, 403},
		"down":                 {"POST", "/down", "Bearer " + token, 404},
		"another method":       {"GET", "/revoke", "Bearer " + token, 405},
		"unknown, and nothing": {"GET", "/x", "", 401},
	} {
		if got, text := ask(t, client, c.method, url+c.path, c.authorization, `{"client":"alice"}`); got != c.want || !strings.Contains(text, `"error"`) {
			t.Errorf("%s: %d %s, want %d", name, got, text, c.want)
		}
	}
	if f.revoked != (RevokeRequest{}) {
		t.Fatalf("one of them was carried out: %+v", f.revoked)
	}
	for range 100 { // wrong tokens keep nobody out
		ask(t, client, "POST", url+"/revoke", "Bearer x", "{}")
	}
	got, text := ask(t, client, "POST", url+"/revoke", "Bearer "+token, `{"client":"alice","cut":true}`)
	if want := (RevokeRequest{Client: "alice", Cut: true}); got != 200 || f.revoked != want {
		t.Errorf("%d %s: %+v", got, text, f.revoked)
	}
	if got, _ := ask(t, client, "POST", url+"/revoke", "Bearer "+token, `{"user":"alice"}`); got != 400 {
		t.Errorf("an unknown field: %d", got)
	}
}

// A token does what it is for, and nothing else; none is good for what changes the
// configuration.
func TestTokensHaveRights(t *testing.T) {
	shown := func(c string) string { return strings.Repeat(c, minToken) }
	var tokens []Token
	for c, rights := range map[string]Rights{"r": Revoke, "l": Lists, "v": Viewer, "a": Actor} {
		tokens = append(tokens, Token{secret(t, shown(c)), rights})
	}
	f := &fake{sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")}}
	url := "http://" + offer(t, API{Tokens: tokens}, f) + version
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct {
		method, path string
		may          string
	}{
		{"GET", "/status", "va"},
		{"GET", "/journal", "va"},
		{"GET", "/doors/ssh/sources", "lva"},
		{"POST", "/open", "a"},
		{"POST", "/ban", "a"},
		{"POST", "/ack", "a"},
		{"POST", "/revoke", "ra"},
		{"POST", "/reload", ""},
		{"POST", "/invite", ""},
		{"POST", "/down", ""},
	} {
		for _, holder := range []string{"r", "l", "v", "a"} {
			want := 403
			if strings.Contains(c.may, holder) {
				want = 200
			} else if c.may == "" {
				want = 404
			}
			if got, text := ask(t, client, c.method, url+c.path, "Bearer "+shown(holder), ""); got != want {
				t.Errorf("%s %s with %s: %d %s, want %d", c.method, c.path, holder, got, text, want)
			}
		}
	}
}

func TestAPINeedsAToken(t *testing.T) {
	open := secret(t, token)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/nonexistent":              "no such file",
		secret(t, ""):               "at least 32 characters",
		secret(t, "password"):       "at least 32 characters",
		secret(t, token+"\n"+token): "one line",
		open:                        "chmod o-rwx",
	} {
		if s, err := ListenAPI(API{Address: "127.0.0.1:0", Tokens: revoking(path)}, &fake{}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
			if err == nil {
				s.Close()
			}
		}
	}
}

// A token that is replaced counts at once; one that is gone lets nobody in.
func TestAPITokenIsReplaced(t *testing.T) {
	path := secret(t, token)
	url := "http://" + offer(t, API{Tokens: revoking(path)}, &fake{}) + "/revoke"
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	next := strings.Repeat("n", minToken)
	if err := os.WriteFile(path, []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	for shown, want := range map[string]int{token: 401, next: 200} {
		if got, text := ask(t, client, "POST", url, "Bearer "+shown, `{"all":true}`); got != want {
			t.Errorf("%s: %d %s", shown, got, text)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, _ := ask(t, client, "POST", url, "Bearer "+next, `{"all":true}`); got != 500 {
		t.Errorf("without a token: %d", got)
	}
}

func TestAPIWithTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	address := offer(t, API{Tokens: revoking(secret(t, token)), Cert: cert, Key: key}, &fake{})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	if got, text := ask(t, client, "POST", "https://"+address+"/revoke", "Bearer "+token, `{"all":true}`); got != 200 {
		t.Errorf("%d %s", got, text)
	}
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12}}}
	if r, err := old.Get("https://" + address); err == nil {
		r.Body.Close()
		t.Error("TLS 1.2 is taken")
	}
	if _, err := ListenAPI(API{Address: "127.0.0.1:0", Tokens: revoking(secret(t, token)), Cert: cert, Key: cert}, &fake{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a certificate without its key is taken")
	}
}

// certificate makes one for the loopback address.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return write("crt", "CERTIFICATE", der), write("key", "EC PRIVATE KEY", text), pool
}

// However many strangers connect and say nothing, or half a header, someone
// with the token is answered at once, and it is reported that there were too many.
func TestSilentStrangersKeepNobodyOut(t *testing.T) {
	var full atomic.Int64
	at := offer(t, API{Tokens: revoking(secret(t, token)), Full: func() { full.Add(1) }}, &fake{})
	stranger := func(n int) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(n>>8), byte(n))}}
		c, err := d.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_, _ = c.Write([]byte("POST /revoke HTTP/1.1\r\nHo")) // it may have had to go already
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for n := range 3 * MostConnections {
		stranger(n)
		if n%MostConnections != MostConnections-1 {
			continue
		}
		if status, body := ask(t, client, "POST", "http://"+at+"/revoke", "Bearer "+token, `{"client":"alice"}`); status != http.StatusOK {
			t.Errorf("beside %d strangers: %d %s", n+1, status, body)
		}
	}
	if full.Load() == 0 {
		t.Error("it is not reported that there were too many")
	}
}

// One source has a few connections at a time; its own oldest make room.
func TestOneStrangerHasAFewConnections(t *testing.T) {
	at := offer(t, API{Tokens: revoking(secret(t, token))}, &fake{})
	var all []net.Conn
	for range perSource + 5 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c)
	}
	for _, c := range all[:5] {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a connection beyond %d goes on: %v", perSource, err)
		}
	}
}

// Appliances show the token as the password of basic authentication.
func TestTokenAsPassword(t *testing.T) {
	at := "http://" + offer(t, API{Tokens: []Token{{secret(t, token), Lists}}}, &fake{}) + "/v1/doors/vpn/sources"
	for password, want := range map[string]int{token: 200, token + "x": 401, "": 401} {
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("firewall:"+password))
		if status, text := ask(t, http.DefaultClient, "GET", at, basic, ""); status != want {
			t.Errorf("%q: %d %s", password, status, text)
		}
	}
}

// Security events are delivered beside the verbs, without a token of ours, where they are
// taken; and open no other path.
func TestEventsBesideTheVerbs(t *testing.T) {
	taken := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) })
	at := "http://" + offer(t, API{Tokens: revoking(secret(t, token)), Events: taken}, &fake{})
	for path, want := range map[string]int{"/v1/caep": 202, "/v1/caep/": 401, "/v1/caep/../revoke": 401, "/caep": 401, "/v1/revoke": 401} {
		if status, text := ask(t, http.DefaultClient, "POST", at+path, "", "{}"); status != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	without := "http://" + offer(t, API{Tokens: revoking(secret(t, token))}, &fake{})
	if status, text := ask(t, http.DefaultClient, "POST", without+"/v1/caep", "Bearer "+token, "{}"); status != 404 {
		t.Errorf("where none are taken: %d %s", status, text)
	}
}
