//go:build linux

package console

import (
	"net/http"
	"net/netip"
	"strings"

	"sallyport/internal/config"
)

// entrance is a way by which requests come in, and what can be known of them there.
type entrance struct {
	cfg   *config.Console
	kind  kind
	https bool // browsers reach it by TLS, here or at the proxy
}

type kind int

const (
	loopback kind = iota // without TLS: from this host, or through a tunnel
	direct               // with TLS of our own
	proxied              // from a reverse proxy that has shown who it is
)

// origin returns that at which a request must have been made, and refuses those for another
// host: a name that others have point here is theirs, and so is the page that uses it.
func (e entrance) origin(r *http.Request) (string, error) {
	host := strings.ToLower(r.Host)
	switch {
	case e.kind == loopback && local(host):
		return "http://" + host, nil
	case e.kind != loopback && host == e.cfg.Host():
		return e.cfg.Origin, nil
	}
	return "", refuse(http.StatusMisdirectedRequest, "open it by the address that the administrator has given it", "the console is not at that name")
}

// source returns where a request comes from. What a header says of it counts only if the
// proxy has written it, which appends what it sees at the end.
func (e entrance) source(r *http.Request) (netip.Addr, error) {
	if e.kind != proxied {
		return addressOf(r.RemoteAddr), nil
	}
	all := r.Header.Values("X-Forwarded-For")
	if len(all) == 0 {
		return netip.Addr{}, refuse(http.StatusBadRequest, "have the proxy send X-Forwarded-For", "the proxy does not say from where this comes")
	}
	list := strings.Split(all[len(all)-1], ",")
	source, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1]))
	if err != nil {
		return netip.Addr{}, refuse(http.StatusBadRequest, "have the proxy append the client's address to X-Forwarded-For", "X-Forwarded-For does not end with an address")
	}
	return source.Unmap().WithZone(""), nil
}

// user returns who has logged in at the proxy, if that says so and the user is one of ours.
func (e entrance) user(r *http.Request) (u config.ConsoleUser, ok bool) {
	if e.kind != proxied || e.cfg.Proxy.UserHeader == "" {
		return u, false
	}
	names := r.Header.Values(e.cfg.Proxy.UserHeader)
	if len(names) != 1 {
		return u, false
	}
	if known := e.cfg.User(names[0]); known != nil {
		return *known, true
	}
	return u, false
}
