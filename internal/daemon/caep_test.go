//go:build linux

package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sallyport/internal/caep"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/gate"
)

// An identity provider that is trusted ends what a client has, at once and once; nobody
// else does, and the one who is meant is found by caep, the label, or the device.
func TestSecurityEvents(t *testing.T) {
	h := newHouse(t)
	h.configure(spaOn + doorSSH + client("bob") + "caep = [\"bob@example.com\", \"laptop-7\"]\n" + client("carol") + "label = \"Carol@example.com\"\n")
	h.start()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: private.Public(), KeyID: "1"})
	path := filepath.Join(h.dir, "caep.jwk")
	if err != nil || os.WriteFile(path, jwk, 0o600) != nil {
		t.Fatal(err)
	}
	events := h.daemon.securityEvents(config.CAEP{Issuer: "https://idp.example/", Audience: "https://gate.example/", KeyFile: path})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: "1"}}, (&jose.SignerOptions{}).WithType("secevent+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	serial := 0
	token := func(audience, subject string) string {
		serial++
		signed, err := signer.Sign(fmt.Appendf(nil, `{"iss":"https://idp.example/","aud":%q,"iat":%d,"jti":"%d","sub_id":%s,"events":{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}}`, audience, time.Now().Unix(), serial, subject))
		if err != nil {
			t.Fatal(err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	deliver := func(text string) (int, string) {
		r := httptest.NewRequest(http.MethodPost, "/v1/caep", strings.NewReader(text))
		r.Header.Set("Content-Type", "application/secevent+jwt")
		w := httptest.NewRecorder()
		events.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	has := func() string {
		s, err := h.daemon.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, g := range s.Grants {
			names = append(names, g.Client)
		}
		return strings.Join(names, " ")
	}
	opened := func(who string) { // again, as long as the daemon still reads back what was there at its start
		h.eventually("the grant is known", func() bool {
			_, _ = h.daemon.Revoke(asRoot(t), control.RevokeRequest{All: true})
			_, err := h.daemon.actor.Open(time.Now(), event.Grant{Door: "ssh", Source: alice, Client: who, Until: time.Now().Add(time.Minute)}, gate.Decision{Kind: event.KindGrant, Reason: event.BySPA})
			return err == nil && has() == who
		})
	}
	const here, mail = "https://gate.example/", `{"format":"email","email":"bob@example.com"}`
	for name, c := range map[string]struct {
		who, token string
		status     int
		left       string
	}{
		"by its address":         {"bob", token(here, mail), 202, ""},
		"by its label":           {"carol", token(here, `{"format":"email","email":"carol@example.com"}`), 202, ""},
		"by its device":          {"bob", token(here, `{"format":"complex","user":{"format":"email","email":"carol@example.com"},"device":{"format":"opaque","id":"laptop-7"}}`), 202, ""},
		"someone else's device":  {"carol", token(here, `{"format":"complex","user":{"format":"email","email":"carol@example.com"},"device":{"format":"opaque","id":"laptop-7"}}`), 202, "carol"},
		"someone else":           {"bob", token(here, `{"format":"email","email":"dave@example.com"}`), 202, "bob"},
		"for another receiver":   {"bob", token("https://other.example/", mail), 400, "bob"},
		"without a right token":  {"bob", "x.y.z", 400, "bob"},
		"a token that is no use": {"bob", strings.Repeat("x", caep.MaxToken+1), 413, "bob"},
	} {
		opened(c.who)
		status, text := deliver(c.token)
		if got := has(); status != c.status || got != c.left || status == 202 && text != "" || status != 202 && !strings.Contains(text, `"err":"`) {
			t.Errorf("%s: %d %s, %q is left, want %d, %q", name, status, text, got, c.status, c.left)
		}
	}
	again := token(here, mail)
	for n := range 2 {
		opened("bob")
		if status, _ := deliver(again); status != 202 || (has() == "") != (n == 0) {
			t.Errorf("delivered %d times: %d, %q is left", n+1, status, has())
		}
	}
	h.eventually("the journal says who ordered it", func() bool {
		a, err := h.daemon.Journal(t.Context(), control.JournalRequest{Kinds: []event.Kind{event.KindRevocation}, Client: "carol"})
		return err == nil && slices.ContainsFunc(a.Entries, func(e control.JournalEntry) bool {
			return strings.Contains(e.Detail, "ordered by session-revoked by https://idp.example/")
		})
	})
	refused := 0
	for range 3 * tokensPerSecond {
		if status, _ := deliver("x.y.z"); status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("any number of tokens is looked at")
	}
	if h.daemon.securityEvents(config.CAEP{}) != nil {
		t.Error("events are taken though none are configured")
	}
}

// Who floods with tokens that are not right keeps no issuer from ending what he has.
func TestStrangersKeepNoIssuerOut(t *testing.T) {
	s, now := &securityEvents{}, time.Unix(1_900_000_000, 0)
	network := func(a string) netip.Prefix { return event.BannedAs(netip.MustParseAddr(a)) }
	flood := func(from netip.Prefix) (taken int) {
		for range 10 * tokensPerSecond {
			if s.admit(now, from) {
				taken++
			}
		}
		return taken
	}
	issuer := network("203.0.113.7")
	if taken := flood(network("192.0.2.1")); taken != ofStranger {
		t.Errorf("%d of one stranger", taken)
	}
	if !s.admit(now, issuer) {
		t.Error("one stranger keeps a new issuer out")
	}
	s.trust(issuer)
	taken := 0
	for i := range 1000 {
		taken += flood(network(fmt.Sprintf("2001:db8:0:%x::1", i)))
	}
	if taken > tokensPerSecond || len(s.taken) > 2*tokensPerSecond {
		t.Errorf("%d of strangers, %d networks", taken, len(s.taken))
	}
	if taken := flood(issuer); taken != tokensPerSecond-1 {
		t.Errorf("many strangers leave %d to the issuer", taken)
	}
	now = now.Add(time.Second)
	if !s.admit(now, network("192.0.2.1")) {
		t.Error("a stranger is kept out for longer than a second")
	}
	for i := range 2 * maxIssuers {
		s.trust(network(fmt.Sprintf("192.0.2.%d", i)))
	}
	if len(s.issuers) != maxIssuers {
		t.Errorf("%d issuers", len(s.issuers))
	}
}
