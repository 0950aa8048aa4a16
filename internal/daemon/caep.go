//go:build linux

package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/internal/caep"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/phrase"
)

const (
	// A signature costs a tenth of a millisecond, and strangers can send tokens. They must
	// not keep the issuer from ending what they have: where a right token came from before
	// has a share of its own, and no other network has all that is left.
	tokensPerSecond = 100
	ofStranger      = 10 // a network's, in a second
	maxIssuers      = 16 // networks from where right tokens came; the oldest makes room

	maxIssuerKeys = 256 << 10 // bytes of the file
)

// securityEvents takes what an identity provider or a device management reports (RFC
// 8935), and ends the grants and connections of whom it is about.
type securityEvents struct {
	of     config.CAEP
	daemon *Daemon

	mu        sync.Mutex
	second    int64
	taken     map[netip.Prefix]int // in this second
	strangers int                  // of these, from where no right token has come
	issuers   []netip.Prefix       // where right tokens came from
}

func (d *Daemon) securityEvents(of config.CAEP) http.Handler {
	if of.Issuer == "" {
		return nil
	}
	return &securityEvents{of: of, daemon: d}
}

// admit reports whether one more token is looked at in this second.
func (s *securityEvents) admit(now time.Time, from netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Unix() != s.second || s.taken == nil {
		s.second, s.taken, s.strangers = now.Unix(), make(map[netip.Prefix]int), 0
	}
	own := s.taken[from]
	if slices.Contains(s.issuers, from) {
		if own >= tokensPerSecond {
			return false
		}
	} else {
		if own >= ofStranger || s.strangers >= tokensPerSecond {
			return false
		}
		s.strangers++
	}
	s.taken[from]++
	return true
}

// trust notes that a right token has come from a network, for the first time: a copy shows
// nothing.
func (s *securityEvents) trust(from netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.issuers, from) {
		return
	}
	if len(s.issuers) == maxIssuers {
		s.issuers = slices.Delete(s.issuers, 0, 1)
	}
	s.issuers = append(s.issuers, from)
}

// networkOf is from where a request comes, of IPv6 the /64; the zero one, if from nowhere.
func networkOf(r *http.Request) netip.Prefix {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	return event.BannedAs(at.Addr().Unmap().WithZone(""))
}

func (s *securityEvents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now, from := time.Now(), networkOf(r)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuseToken(w, http.StatusMethodNotAllowed, &caep.Refusal{Code: "invalid_request", Text: "use POST"})
		return
	case kind != "application/secevent+jwt":
		refuseToken(w, http.StatusBadRequest, &caep.Refusal{Code: "invalid_request", Text: "want the content type application/secevent+jwt"})
		return
	case !s.admit(now, from):
		w.Header().Set("Retry-After", "1")
		refuseToken(w, http.StatusTooManyRequests, &caep.Refusal{Code: "access_denied", Text: "too many tokens: try again"})
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, caep.MaxToken))
	if err != nil {
		refuseToken(w, http.StatusRequestEntityTooLarge, &caep.Refusal{Code: "invalid_request", Text: "the token is too long, or did not arrive"})
		return
	}
	notice, err := s.read(now, strings.TrimSpace(string(text)))
	if refusal := (*caep.Refusal)(nil); errors.As(err, &refusal) {
		refuseToken(w, http.StatusBadRequest, refusal)
		return
	}
	if err != nil {
		s.daemon.log.Warn("a security event could not be read", "error", err)
		refuseToken(w, http.StatusServiceUnavailable, &caep.Refusal{Code: "access_denied", Text: "the receiver cannot verify tokens just now"})
		return
	}
	if len(notice.Kinds) > 0 && !s.daemon.tokens.Again(now, notice.ID) {
		s.trust(from)
		s.obey(r, notice)
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *securityEvents) read(now time.Time, token string) (caep.Notice, error) {
	f, err := os.Open(s.of.KeyFile)
	if err != nil {
		return caep.Notice{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxIssuerKeys))
	if err != nil {
		return caep.Notice{}, err
	}
	keys, err := caep.ParseKeys(text)
	if err != nil {
		return caep.Notice{}, err
	}
	return caep.Read(now, caep.Trust{Issuer: s.of.Issuer, Audience: s.of.Audience, Keys: keys}, token)
}

// obey ends what the clients have whom a notice is about. A failure is an event already,
// and tried again.
func (s *securityEvents) obey(r *http.Request, n caep.Notice) {
	clients := about(s.daemon.config.Load(), n)
	s.daemon.log.Info("security event", "issuer", s.of.Issuer, "event", strings.Join(n.Kinds, ", "), "clients", strings.Join(clients, ", "), "from", r.RemoteAddr)
	ctx := control.As(r.Context(), fmt.Sprintf("%s by %s", strings.Join(n.Kinds, ", "), s.of.Issuer), control.Actor)
	for _, name := range clients {
		if _, err := s.daemon.Revoke(ctx, control.RevokeRequest{Client: name, Cut: true}); err != nil {
			s.daemon.log.Warn("what a security event ends", "client", name, "error", err)
		}
	}
	if len(clients) == 0 {
		s.daemon.problems.Note("caep", "a security event names no client, last at "+time.Now().Format(time.DateTime)+": write "+phrase.Some(slices.Concat(n.Devices, n.Users), 3)+" into caep of the client, or into its label")
	}
}

// about are the clients whom a notice is about: those that are the device, where it names
// one that is known, else those of the user.
func about(cfg *config.Config, n caep.Notice) []string {
	for _, called := range [][]string{n.Devices, n.Users} {
		var names []string
		for i := range cfg.Clients {
			c := &cfg.Clients[i]
			if slices.ContainsFunc(called, func(name string) bool { return isCalled(c, name) }) {
				names = append(names, c.Name)
			}
		}
		if len(names) > 0 {
			return names
		}
	}
	return nil
}

// isCalled reports whether an issuer means a client. Addresses are written in any case.
func isCalled(c *config.Client, name string) bool {
	return c.Label != "" && strings.EqualFold(c.Label, name) || slices.ContainsFunc(c.CAEP, func(known string) bool {
		return known == name || strings.Contains(name, "@") && strings.EqualFold(known, name)
	})
}

// refuseToken answers as RFC 8935, section 2.3, has it.
func refuseToken(w http.ResponseWriter, status int, r *caep.Refusal) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Language", "en")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// If the other side has hung up there is nobody left to answer.
	_ = json.NewEncoder(w).Encode(map[string]string{"err": r.Code, "description": r.Text})
}
