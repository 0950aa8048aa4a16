//go:build linux

package console

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path"
	"strconv"

	"sallyport/internal/config"
	"sallyport/internal/crowded"
)

// openProxy listens for a reverse proxy, whose word counts for where a request comes from
// and who has logged in there. So it has to show who it is: by its user, as the kernel
// names it, or by its certificate.
func (c *Console) openProxy() (net.Listener, error) {
	p := c.cfg.Proxy
	if path.IsAbs(p.Listen) {
		uid, err := userID(p.Peer)
		if err != nil {
			return nil, fmt.Errorf("listen for the proxy: find its user: %w", err)
		}
		l, err := listenUnix(p.Listen, 0o666) // the kernel says who connects
		if err != nil {
			return nil, fmt.Errorf("listen for the proxy: %w", err)
		}
		return crowded.Listen(&known{Listener: l, log: c.log, may: func(other uint32) bool { return other == uid }}, crowded.Limits{Most: maxConnections}), nil
	}
	settings, err := mutual(p)
	if err != nil {
		return nil, fmt.Errorf("listen for the proxy: %w", err)
	}
	l, err := net.Listen("tcp", p.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the proxy: %w", err)
	}
	return tls.NewListener(crowded.Listen(l, crowded.Limits{Most: maxConnections}), settings), nil
}

func userID(name string) (uint32, error) {
	u, err := user.Lookup(name)
	if id := new(user.UnknownUserError); errors.As(err, id) {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err
}

// mutual wants the proxy's certificate. All files are read again at each handshake.
func mutual(p config.ConsoleProxy) (*tls.Config, error) {
	settings := func() (*tls.Config, error) {
		t, err := withCertificate(p.TLSCert, p.TLSKey)
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(p.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("read the certificates that sign the proxy's: %w", err)
		}
		t.ClientCAs, t.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !t.ClientCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read the certificates that sign the proxy's: there is none in %s", p.ClientCA)
		}
		t.NextProtos = []string{"h2", "http/1.1"}
		t.VerifyConnection = func(s tls.ConnectionState) error { return s.PeerCertificates[0].VerifyHostname(p.ClientName) }
		return t, nil
	}
	first, err := settings()
	if err != nil {
		return nil, err
	}
	first.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return settings() }
	return first, nil
}
