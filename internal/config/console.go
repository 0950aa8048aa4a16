package config

import (
	"errors"
	"io/fs"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// DefaultConsole is where the console's configuration is. Its folder is not the daemon's,
// which is closed to everyone but root and the daemon, as it holds secrets.
const DefaultConsole = "/etc/sallyport-console/console.toml"

// Console is the configuration of the console, which has a file of its own and holds no
// secret.
type Console struct {
	Path     string         // of the file
	Name     string         // of the gate, for people; empty: the name of the host
	Listen   netip.AddrPort // default 127.0.0.1:9479
	Origin   string         // "https://gate.example.net", by which browsers reach it; empty: login links only
	TLSCert  string         // absolute; empty: no TLS, on loopback only
	TLSKey   string         // absolute
	Socket   string         // of the daemon
	StateDir string         // absolute; passkeys are there
	RunDir   string         // absolute; the socket for login links is there
	Idle     time.Duration  // a session that is not used ends; 1m to 12h, default 30m
	Longest  time.Duration  // a session ends; 10m to 24h, default 12h
	Users    []ConsoleUser
	Proxy    ConsoleProxy
}

// ConsoleUser is someone who can come in without a link, and what he may do.
type ConsoleUser struct {
	Name   string
	Rights string // "view", "act" or "admin"
	Place  Place
}

// ConsoleProxy is a listener for a reverse proxy, which is known by its user at a unix
// socket, or by its certificate.
type ConsoleProxy struct {
	Listen     string // address and port, or the absolute path of a socket; empty: none
	Peer       string // with a socket: the user, by name or number, that may connect
	UserHeader string // names who has logged in at the proxy; empty: it says nothing about that
	TLSCert    string // with an address, absolute
	TLSKey     string // absolute
	ClientCA   string // absolute; a file of certificates that sign the proxy's
	ClientName string // that the proxy's certificate is for
}

// User returns the user of that name, or nil.
func (c *Console) User(name string) *ConsoleUser {
	for i := range c.Users {
		if c.Users[i].Name == name {
			return &c.Users[i]
		}
	}
	return nil
}

// Host is the host of the origin, with a port if it has one.
func (c *Console) Host() string { return strings.TrimPrefix(c.Origin, "https://") }

// LoadConsole reads the configuration of the console, as strictly as Load. Without a file in
// the usual place, everything is as it is without a key.
func LoadConsole(fsys fs.FS, absolute string) (*Console, error) {
	if !path.IsAbs(absolute) {
		return nil, Errors{{Place{File: absolute}, errors.New("is not an absolute path")}}
	}
	l := newLoader(absolute)
	f, err := read(fsys, absolute)
	if errors.Is(err, fs.ErrNotExist) && absolute == DefaultConsole {
		return l.readConsole(newTable(Place{File: absolute})), nil // for this host only, and with links
	}
	if err != nil {
		return nil, Errors{{Place{File: absolute}, err}}
	}
	if f.mode&0o002 != 0 {
		l.errs.add(Place{File: absolute}, "everybody may change this file (mode %04o): run chmod o-w %s", f.mode.Perm(), absolute)
	}
	root, _ := parse(f, &l.errs)
	c := l.readConsole(root)
	if err := l.errs.sorted(); err != nil {
		return nil, err
	}
	return c, nil
}

const maxConsoleUsers = 1000

func (l *loader) readConsole(root *table) *Console {
	document := l.section("", root)
	s := l.section("console", l.single(document, "console"))
	c := &Console{
		Path: l.config.Path, Name: readText(s, "name", `a text of at most 80 characters, such as "gate.example.net"`),
		Origin: readOrigin(s), TLSCert: readPath(s, "tls_cert", ""), TLSKey: readPath(s, "tls_key", ""),
		Socket: readPath(s, "socket", DefaultSocket), StateDir: readPath(s, "state_dir", "/var/lib/sallyport-console"),
		RunDir: readPath(s, "run_dir", "/run/sallyport-console"),
		Idle:   s.duration("idle", 30*time.Minute, time.Minute, 12*time.Hour), Longest: s.duration("longest", 12*time.Hour, 10*time.Minute, 24*time.Hour),
	}
	listen := readListen(s, "listen")
	if c.Listen = netip.MustParseAddrPort("127.0.0.1:9479"); listen != "" {
		var err error
		if c.Listen, err = netip.ParseAddrPort(listen); err != nil {
			s.errorf(s.at("listen"), "listen: want an address and a port; a socket for a reverse proxy is [proxy] listen")
		}
	}
	s.finish()
	for _, t := range l.several(document, "user", maxConsoleUsers) {
		l.readConsoleUser(c, t)
	}
	proxy := l.section("proxy", l.single(document, "proxy"))
	readConsoleProxy(proxy, c)
	document.finish()
	checkConsole(s, c)
	return c
}

// checkConsole checks what the keys say together.
func checkConsole(s *section, c *Console) {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		s.errorf(s.at("listen"), "tls_cert and tls_key go together: set both")
	case c.TLSCert == "" && !c.Listen.Addr().IsLoopback():
		s.errorf(s.at("listen"), "listen: without TLS a session could be overheard: set tls_cert and tls_key, or listen on a loopback address and use a reverse proxy")
	case c.Origin == "" && c.TLSCert != "":
		s.errorf(s.at("tls_cert"), `origin is missing: want the address by which browsers reach the console, such as "https://gate.example.net"`)
	case c.Origin == "" && c.Proxy.Listen != "":
		s.errorf(s.table.place, `origin is missing: want the address at which the proxy is reached, such as "https://gate.example.net"`)
	case c.Origin != "" && c.TLSCert == "" && c.Proxy.Listen == "":
		s.errorf(s.at("origin"), "origin: nothing serves it: set tls_cert and tls_key, or a reverse proxy in [proxy]")
	}
}

// readOrigin reads where browsers reach the console. Passkeys are made for it, so that
// it has to be a name (a passkey is never for an address, Web Authentication, 5.1.2), and
// not localhost, which is whatever has been tunnelled there.
func readOrigin(s *section) string {
	const want = `the address by which browsers reach the console, such as "https://gate.example.net", without a path`
	v := s.scalar("origin", unstable.String, want)
	if v == nil {
		return ""
	}
	u, err := url.Parse(v.text)
	if err != nil || u.Scheme != "https" || u.Host == "" || v.text != "https://"+u.Host || strings.ToLower(v.text) != v.text || u.Port() == "443" {
		s.bad("origin", v, want)
		return ""
	}
	host := u.Hostname()
	switch _, err := netip.ParseAddr(host); {
	case err == nil:
		s.bad("origin", v, "a name: browsers make no passkey for an address; without a name, leave origin out and use login links")
	case host == "localhost" || strings.HasSuffix(host, ".localhost"):
		s.bad("origin", v, "a name of this gate: everything that is tunnelled to a computer shares localhost; leave origin out and use login links")
	case !hostName.MatchString(host):
		s.bad("origin", v, want)
	}
	return v.text
}

var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// consoleUser is what login names and addresses of mail are made of.
var consoleUser = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}$`)

// ValidConsoleUser reports whether a user of the console may have a name.
func ValidConsoleUser(name string) bool { return consoleUser.MatchString(name) }

func (l *loader) readConsoleUser(c *Console, t *table) {
	s := l.section("user", t)
	const want = `a name of 1 to 64 letters, digits and . _ @ + -, such as "alice" or "alice@example.net"`
	u := ConsoleUser{Place: t.place}
	v := s.scalar("name", unstable.String, want)
	switch {
	case v != nil && !ValidConsoleUser(v.text):
		s.bad("name", v, want)
	case v != nil:
		u.Name, s.name = v.text, v.text
	case s.table.values["name"] == nil:
		s.errorf(t.place, "name is missing: want %s", want)
	}
	u.Rights = s.choice("rights", "view", "act", "admin")
	s.finish()
	if before := c.User(u.Name); before != nil && u.Name != "" {
		s.errorf(t.place, "is there twice: first at %s", before.Place)
	}
	c.Users = append(c.Users, u)
}

// headerName is a header that a proxy may set, without those that mean something else.
var headerName = regexp.MustCompile(`^(Remote-|X-|Cf-|Tailscale-)[A-Za-z0-9-]{1,60}$`)

func readConsoleProxy(s *section, c *Console) {
	p := ConsoleProxy{
		Listen: readListen(s, "listen"), TLSCert: readPath(s, "tls_cert", ""), TLSKey: readPath(s, "tls_key", ""),
		ClientCA: readPath(s, "client_ca", ""), ClientName: readText(s, "client_name", `a name in the proxy's certificate, such as "proxy.example.net"`),
	}
	const wantPeer = `the name or number of the user that the proxy runs as, such as "caddy"`
	if v := s.scalar("peer", unstable.String, wantPeer); v != nil {
		if p.Peer = v.text; !userName.MatchString(v.text) || strings.HasPrefix(v.text, "@") {
			s.bad("peer", v, wantPeer)
		}
	}
	const wantHeader = `a header that begins with Remote-, X-, Cf- or Tailscale-, such as "Remote-User"`
	if v := s.scalar("user_header", unstable.String, wantHeader); v != nil {
		if p.UserHeader = v.text; !headerName.MatchString(v.text) || strings.EqualFold(v.text, "X-Forwarded-For") {
			s.bad("user_header", v, wantHeader)
		}
	}
	s.finish()
	checkConsoleProxy(s, p)
	c.Proxy = p
}

func checkConsoleProxy(s *section, p ConsoleProxy) {
	tls := p.TLSCert != "" && p.TLSKey != "" && p.ClientCA != "" && p.ClientName != ""
	anyTLS := p.TLSCert+p.TLSKey+p.ClientCA+p.ClientName != ""
	switch {
	case p.Listen == "" && (anyTLS || p.Peer != "" || p.UserHeader != ""):
		s.errorf(s.table.place, "listen is missing: the other keys mean nothing without it")
	case path.IsAbs(p.Listen) && p.Peer == "":
		s.errorf(s.at("listen"), "peer is missing: want the user that the proxy runs as; nobody else may connect to the socket")
	case path.IsAbs(p.Listen) && anyTLS:
		s.errorf(s.at("listen"), "a socket has no TLS: leave tls_cert, tls_key, client_ca and client_name out")
	case p.Listen != "" && !path.IsAbs(p.Listen) && (!tls || p.Peer != ""):
		s.errorf(s.at("listen"), "at an address the proxy has to show a certificate: set tls_cert, tls_key, client_ca and client_name, and no peer; or listen on a socket")
	}
}
