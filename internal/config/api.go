package config

import "net/netip"

// API is a listener through which other systems may end grants.
type API struct {
	Listen    netip.AddrPort // zero, the default: nowhere
	TokenFile string         // absolute
	TLSCert   string         // absolute; empty: no TLS, on loopback only
	TLSKey    string         // absolute
}

func (l *loader) readAPI(t *table) {
	s := l.section("api", t)
	text := readListen(s, "listen")
	a := API{TokenFile: readPath(s, "token_file", ""), TLSCert: readPath(s, "tls_cert", ""), TLSKey: readPath(s, "tls_key", "")}
	s.finish()
	if text != "" {
		var err error
		if a.Listen, err = netip.ParseAddrPort(text); err != nil {
			s.errorf(s.at("listen"), "listen: the path of a socket has no use here: the control socket does more")
		}
	}
	switch {
	case text == "" && a != (API{}):
		s.errorf(t.place, "listen is missing: the other keys mean nothing without it")
	case text != "" && a.TokenFile == "":
		s.errorf(s.at("listen"), "token_file is missing: anyone who asks must show what it holds")
	case (a.TLSCert == "") != (a.TLSKey == ""):
		s.errorf(s.at("listen"), "tls_cert and tls_key go together: set both")
	case a.Listen.IsValid() && a.TLSCert == "" && !a.Listen.Addr().IsLoopback():
		s.errorf(s.at("listen"), "listen: without TLS the token could be overheard: set tls_cert and tls_key, or listen on a loopback address")
	}
	l.config.API = a
}
