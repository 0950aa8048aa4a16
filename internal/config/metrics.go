package config

import (
	"net/netip"
	"path"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Metrics says where Prometheus may ask.
type Metrics struct {
	Listen string // an address with a port, or the absolute path of a socket; empty, the default: nowhere
}

func (l *loader) readMetrics(t *table) {
	s := l.section("metrics", t)
	l.config.Metrics = Metrics{Listen: readListen(s, "listen")}
	s.finish()
}

// readListen reads where to listen: an address and not a name, whose meaning
// may change.
func readListen(s *section, key string) string {
	const want = `an address and a port, such as "127.0.0.1:9477", or the absolute path of a socket`
	v := s.scalar(key, unstable.String, want)
	switch {
	case v == nil:
		return ""
	case path.IsAbs(v.text) && !strings.ContainsRune(v.text, 0) && len(v.text) <= maxSocketPath:
		return path.Clean(v.text)
	}
	at, err := netip.ParseAddrPort(v.text)
	if err != nil || at.Port() == 0 {
		s.bad(key, v, want)
		return ""
	}
	return at.String()
}
