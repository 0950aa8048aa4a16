package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport/internal/phrase"
)

// Fleet says where the etcd is that this gate shares with others.
type Fleet struct {
	Endpoints []string // host:port; empty, the default: this gate stands alone
	CA        string   // absolute path of the certificates that etcd's servers show; empty: none, on loopback only
	Cert      string   // absolute path of the certificate that this gate shows
	Key       string   // absolute path of its key
	Address   string   // name of the address that several gates have together, with one server key; empty: it has its own
}

// On reports whether the gate belongs to a fleet.
func (f Fleet) On() bool { return len(f.Endpoints) > 0 }

// How long a door opens for clients of the fleet while etcd cannot be reached.
const (
	DefaultWithoutFleet = 24 * time.Hour
	WithoutFleetOpen    = time.Duration(math.MaxInt64) // as long as it takes
	WithoutFleetClosed  = 10 * time.Second             // no longer than etcd takes to choose a leader

	mostWithoutFleet = 30 * day
)

// maxEndpoints is more servers than one etcd has.
const maxEndpoints = 16

func (l *loader) readFleet(t *table) {
	s := l.section("fleet", t)
	const want = `servers of etcd in quotes, such as ["etcd1.example.org:2379"]`
	f := Fleet{
		Endpoints: list(s, "endpoints", want, once(parseEndpoint)),
		CA:        readPath(s, "ca", ""), Cert: readPath(s, "cert", ""), Key: readPath(s, "key", ""), Address: readGroupName(s, "address", `a name for the address, such as "front"`),
	}
	s.finish()
	certs := 0
	for _, path := range []string{f.CA, f.Cert, f.Key} {
		if path != "" {
			certs++
		}
	}
	_, set := s.table.values["endpoints"]
	switch {
	case len(s.table.values) > 0 && s.empty("endpoints"):
		s.errorf(s.at("endpoints"), "endpoints is missing: want %s", want)
	case len(f.Endpoints) > maxEndpoints:
		s.errorf(s.at("endpoints"), "endpoints has %d servers: want at most %d", len(f.Endpoints), maxEndpoints)
	case certs != 0 && certs != 3:
		s.errorf(s.at("endpoints"), "ca, cert and key go together: set all three")
	case set && certs == 0 && !loopbackAlone(f.Endpoints):
		s.errorf(s.at("endpoints"), "endpoints: who reaches etcd would not be proved: set ca, cert and key, or use addresses of loopback")
	}
	l.fleet, l.config.Fleet = s, f
}

// parseEndpoint reads a server in its one form.
func parseEndpoint(text string) (string, error) {
	if a, err := netip.ParseAddrPort(text); err == nil && a.Port() != 0 && a.Addr().Zone() == "" && a.String() == text {
		return text, nil
	}
	at := strings.LastIndexByte(text, ':')
	host, port := text[:max(at, 0)], text[at+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	if host == "" || err != nil || n == 0 || strconv.FormatUint(n, 10) != port || strings.ContainsAny(host, "[]:") {
		return "", fmt.Errorf(`%q is no server: want host and port, such as "etcd1.example.org:2379" or "[2001:db8::1]:2379"`, text)
	}
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789.-"
	if strings.Trim(host, letters) != "" || strings.Trim(host[:1], ".-") == "" || strings.Trim(host, "0123456789.") == "" {
		return "", errors.New("want the address or the name of a host, in small letters")
	}
	return text, nil
}

func loopbackAlone(endpoints []string) bool {
	for _, e := range endpoints {
		a, err := netip.ParseAddrPort(e)
		if err != nil || !a.Addr().IsLoopback() {
			return false
		}
	}
	return true
}

// readWithoutFleet reads how long a door opens for clients of the fleet while etcd is
// away.
func readWithoutFleet(s *section) time.Duration {
	between := fmt.Sprintf("%s to %s", phrase.Duration(WithoutFleetClosed), phrase.Duration(mostWithoutFleet))
	want := `"open", "closed" or a duration such as "24h", ` + between
	v := s.scalar("without_fleet", unstable.String, want)
	switch {
	case v == nil:
		return DefaultWithoutFleet
	case v.text == "open":
		return WithoutFleetOpen
	case v.text == "closed":
		return WithoutFleetClosed
	}
	d, err := phrase.ParseDuration(v.text)
	if err != nil || d < WithoutFleetClosed || d > mostWithoutFleet {
		s.bad("without_fleet", v, want)
		return DefaultWithoutFleet
	}
	return d
}

// readGroupName reads the name of what several gates have together.
func readGroupName(s *section, key, want string) string {
	v := s.scalar(key, unstable.String, want)
	if v == nil {
		return ""
	}
	if !ValidName(v.text) {
		s.bad(key, v, want)
	}
	return v.text
}

// checkFleet checks what the fleet needs of other sections, and what needs the fleet.
func (l *loader) checkFleet() {
	if l.config.Fleet.On() && l.config.Gate.Name == "" {
		l.fleet.errorf(l.fleet.at("endpoints"), "a gate of a fleet has a name: set name in [gate]")
	}
	for _, s := range l.doors {
		for _, key := range []string{"without_fleet", "shared"} {
			if s.table.values[key] != nil && !l.config.Fleet.On() {
				s.errorf(s.at(key), "%s means nothing without [fleet]: remove it, or set endpoints there", key)
			}
		}
	}
	for i, d := range l.config.Doors {
		switch s := l.doors[i]; {
		case d.SharedUnbound && d.Shared == "":
			s.errorf(s.at("shared_unbound"), "shared_unbound means nothing without shared")
		case d.Shared != "" && d.Single:
			s.errorf(s.at("shared"), "shared: one connection alone cannot be counted at several gates: remove single, or shared")
		}
	}
}
