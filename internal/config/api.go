package config

import (
	"cmp"
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"unicode"

	"github.com/pelletier/go-toml/v2/unstable"
)

// API says what others may ask the daemon: users of this host, and other systems over
// TCP that show a token.
type API struct {
	View  []string // users, or groups as "@name", who may see everything but secrets
	Act   []string // who may act as an operator, too
	Admin []string // who may do everything that root may on the control socket
	Ask   []string // who may ask an operator to let others in, and nothing else by that

	Listen    netip.AddrPort // zero, the default: nowhere
	TokenFile string         // absolute; with its token, grants may be ended
	ViewToken string         // absolute; with its token, all may be seen
	ActToken  string         // absolute; with its token, an operator's work may be done
	AskToken  string         // absolute; with its token, an operator may be asked to let others in
	ListToken string         // absolute; with its token, those may be read who may use polled doors
	CAEP      CAEP           // whose word on sessions and devices counts
	TLSCert   string         // absolute; empty: no TLS, on loopback only
	TLSKey    string         // absolute
}

// CAEP is the issuer of security events (OpenID CAEP) that is believed.
type CAEP struct {
	Issuer   string // empty: none
	Audience string // for whom its tokens are
	KeyFile  string // absolute; its public keys
}

// HasUsers reports whether users of the host have rights of their own.
func (a API) HasUsers() bool { return len(a.View)+len(a.Act)+len(a.Admin)+len(a.Ask) > 0 }

func (l *loader) readAPI(t *table) {
	s := l.section("api", t)
	text := readListen(s, "listen")
	const users = `users, or groups as "@name", such as ["alice", "@wheel"]`
	a := API{
		View: list(s, "view", users, once(parseUser)), Act: list(s, "act", users, once(parseUser)),
		Admin: list(s, "admin", users, once(parseUser)), Ask: list(s, "ask", users, once(parseUser)), AskToken: readPath(s, "ask_token_file", ""),
		CAEP:      CAEP{Issuer: readWord(s, "caep_issuer"), Audience: readWord(s, "caep_audience"), KeyFile: readPath(s, "caep_key_file", "")},
		TokenFile: readPath(s, "token_file", ""), ViewToken: readPath(s, "view_token_file", ""),
		ActToken: readPath(s, "act_token_file", ""), ListToken: readPath(s, "list_token_file", ""),
		TLSCert: readPath(s, "tls_cert", ""), TLSKey: readPath(s, "tls_key", ""),
	}
	s.finish()
	if text != "" {
		var err error
		if a.Listen, err = netip.ParseAddrPort(text); err != nil {
			s.errorf(s.at("listen"), "listen: the path of a socket has no use here: the control socket does more")
		}
	}
	checkAPI(s, a, text != "")
	l.config.API = a
}

// checkAPI checks what the keys say together.
func checkAPI(s *section, a API, listens bool) {
	c := a.CAEP
	if set := cmp.Or(c.Issuer, c.Audience, c.KeyFile) != ""; set && (c.Issuer == "" || c.Audience == "" || c.KeyFile == "") {
		s.errorf(s.table.place, "caep_issuer, caep_audience and caep_key_file go together: set all three")
	}
	token := cmp.Or(c.KeyFile, a.TokenFile, a.ViewToken, a.ActToken, a.ListToken, a.AskToken)
	switch {
	case !listens && cmp.Or(token, a.TLSCert, a.TLSKey) != "":
		s.errorf(s.table.place, "listen is missing: tokens and certificates mean nothing without it")
	case listens && token == "":
		s.errorf(s.at("listen"), "token_file is missing: anyone who asks must show what it holds, or what another token file does")
	case (a.TLSCert == "") != (a.TLSKey == ""):
		s.errorf(s.at("listen"), "tls_cert and tls_key go together: set both")
	case a.Listen.IsValid() && a.TLSCert == "" && !a.Listen.Addr().IsLoopback():
		s.errorf(s.at("listen"), "listen: without TLS the token could be overheard: set tls_cert and tls_key, or listen on a loopback address")
	}
	seen := make(map[string]string)
	for _, f := range []struct{ key, path string }{{"token_file", a.TokenFile}, {"view_token_file", a.ViewToken}, {"act_token_file", a.ActToken}, {"list_token_file", a.ListToken}, {"ask_token_file", a.AskToken}} {
		if other := seen[f.path]; f.path != "" && other != "" {
			s.errorf(s.at(f.key), "%s is that of %s: each right has a token of its own", f.key, other)
		}
		seen[f.path] = f.key
	}
}

// readWord reads what an issuer of tokens calls itself, or others.
func readWord(s *section, key string) string {
	const want = `a text without spaces of at most 512 characters, such as "https://idp.example.com/"`
	v := s.scalar(key, unstable.String, want)
	if v == nil {
		return ""
	}
	if _, err := parseSubject(v.text); err != nil || strings.ContainsRune(v.text, ' ') {
		s.bad(key, v, want)
		return ""
	}
	return v.text
}

// parseSubject reads how an issuer of security events calls a user or a device.
func parseSubject(text string) (string, error) {
	const most = 512 // bytes, as package caep has it
	if text == "" || len(text) > most || strings.TrimSpace(text) != text || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", errors.New(`want what the issuer calls the user or the device, such as "alice@example.com"`)
	}
	return text, nil
}

// userName is what useradd takes, and numbers; with "@" before it, a group.
var userName = regexp.MustCompile(`^@?[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?$`)

func parseUser(text string) (string, error) {
	if !userName.MatchString(text) {
		return "", errors.New(`want the name or number of a user, or of a group as "@name"`)
	}
	return text, nil
}
