package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"sallyport/internal/crowded"
)

// API says where other systems may ask, and what they must show.
type API struct {
	Address   string // and port
	Tokens    []Token
	Cert, Key string       // PEM files; empty: no TLS
	Events    http.Handler // at /v1/caep, of those whose tokens say by themselves who they are; nil: there is none
	Full      func()       // called when there are more connections than are served; must not block; may be nil
}

// Token is a file with a token of at least 32 characters, and what those may do who
// show it.
type Token struct {
	File   string
	Rights Rights
}

// MostConnections is how many connections the API serves at a time.
const MostConnections = 64

const (
	minToken = 32 // characters: not to be guessed at any rate
	maxToken = 4096

	perSource = 8               // connections from one address
	greeting  = 2 * time.Second // for the handshake and the header of a request

	complaintEvery = time.Second // between two lines in the log about wrong tokens
)

// ListenAPI makes a listener for other systems: an EDR that ends grants, a dashboard, a
// firewall that reads who may use a door. Each shows a token, "Authorization: Bearer
// TOKEN", that has rights; none has Admin. Certificate and tokens are read at each
// handshake and request, so that they can be replaced.
func ListenAPI(a API, handler Handler, log *slog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", a.Address)
	if err != nil {
		return nil, fmt.Errorf("offer the API: %w", err)
	}
	return newAPI(listener, a, handler, log)
}

// Again makes a server with other settings at the same address. Both take
// connections until the one before ends.
func (s *Server) Again(a API) (*Server, error) {
	tcp, ok := s.under.(*net.TCPListener)
	if !ok {
		return nil, errors.New("offer the API: it has no listener to go on with")
	}
	f, err := tcp.File()
	if err != nil {
		return nil, fmt.Errorf("offer the API: %w", err)
	}
	listener, err := net.FileListener(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("offer the API: %w", err)
	}
	return newAPI(listener, a, s.handler, s.log)
}

func newAPI(under net.Listener, a API, handler Handler, log *slog.Logger) (*Server, error) {
	for _, t := range a.Tokens {
		if _, err := readToken(t.File); err != nil {
			return nil, errors.Join(fmt.Errorf("offer the API: %w", err), under.Close())
		}
	}
	listener := crowded.Listen(under, crowded.Limits{Most: MostConnections, PerSource: perSource, Full: a.Full})
	if a.Cert != "" {
		if _, err := tls.LoadX509KeyPair(a.Cert, a.Key); err != nil {
			return nil, errors.Join(fmt.Errorf("offer the API: read the certificate: %w", err), listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{
			MinVersion: tls.VersionTLS13,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				pair, err := tls.LoadX509KeyPair(a.Cert, a.Key)
				return &pair, err
			},
		})
	}
	s := newServer(listener, handler, log)
	s.greeting, s.remember = greeting, rememberConn
	s.under, s.tcp, s.events = under, true, a.Events
	s.knows = (&guard{tokens: a.Tokens, log: log}).knows
	s.prove = func(r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			crowded.Prove(c)
		}
	}
	return s, nil
}

// guard lets through callers that show a token. Wrong ones are not limited: anyone who
// can connect could otherwise keep everybody out.
type guard struct {
	tokens []Token
	log    *slog.Logger

	mu         sync.Mutex
	complained time.Time
}

// knows returns what the token of a request is good for. A file that cannot be read
// takes away the rights of its own token only.
func (g *guard) knows(r *http.Request) (a asker) {
	shown, ok := shownToken(r)
	for _, t := range g.tokens {
		want, err := readToken(t.File)
		if err != nil {
			g.complain("nobody can use a token of the API", "error", err)
			a.unread = true
			continue
		}
		if equal(shown, want) && ok {
			a.rights |= t.Rights
		}
	}
	if a.rights == 0 && !a.unread {
		g.complain("wrong token for the API", "from", r.RemoteAddr)
	}
	return a
}

// shownToken is a bearer token, or the password of basic authentication with any user:
// appliances that read lists know nothing else.
func shownToken(r *http.Request) (string, bool) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token, true
	}
	_, password, ok := r.BasicAuth()
	return password, ok
}

// connKey finds the connection of a request.
type connKey struct{}

func rememberConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// complain writes a line to the log, now and then.
func (g *guard) complain(text string, args ...any) {
	g.mu.Lock()
	now := time.Now()
	due := now.Sub(g.complained) >= complaintEvery
	if due {
		g.complained = now
	}
	g.mu.Unlock()
	if due {
		g.log.Warn(text, args...)
	}
}

// equal takes the same time whatever is shown, and however long it is.
func equal(shown, want string) bool {
	a, b := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func readToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("read the token: everybody may use %s: run chmod o-rwx %s", path, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxToken))
	token := strings.TrimSpace(string(text))
	if err == nil && (len(token) < minToken || strings.ContainsAny(token, "\r\n")) {
		err = fmt.Errorf("want one line of at least %d characters in %s: openssl rand -hex 32 makes one", minToken, path)
	}
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return token, nil
}
