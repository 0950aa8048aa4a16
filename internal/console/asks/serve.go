//go:build linux

package asks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"sallyport/internal/crowded"
)

const (
	maxConnections = 256
	perSource      = 16 // from one address; a proxy is one for many

	headerWithin = 5 * time.Second // for the handshake and the header of a request
	bodyWithin   = 10 * time.Second
	idleFor      = 20 * time.Second
	stopGrace    = 2 * time.Second
)

// Place is where a page is served.
type Place struct {
	Address   string // and port
	Cert, Key string // PEM files; empty: no TLS, on a loopback address or behind a proxy only
}

// Serve serves the page until the context ends. Ready is called when it does.
func (p *Page) Serve(ctx context.Context, at Place, ready func(net.Addr)) error {
	under, err := net.Listen("tcp", at.Address)
	if err != nil {
		return fmt.Errorf("serve the page: %w", err)
	}
	limits := crowded.Limits{Most: maxConnections}
	if len(p.proxies) == 0 {
		limits.PerSource = perSource
	}
	listener := crowded.Listen(under, limits)
	if at.Cert != "" {
		if _, err := tls.LoadX509KeyPair(at.Cert, at.Key); err != nil {
			return errors.Join(fmt.Errorf("serve the page: read the certificate: %w", err), listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{
			NextProtos: []string{"http/1.1"}, // one request of one stranger at a time
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				pair, err := tls.LoadX509KeyPair(at.Cert, at.Key) // it is renewed while we run
				return &pair, err
			},
		})
	}
	server := http.Server{Handler: p, ReadHeaderTimeout: headerWithin, ReadTimeout: bodyWithin, WriteTimeout: bodyWithin + askWithin, IdleTimeout: idleFor, MaxHeaderBytes: 8 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		grace, end := context.WithTimeout(context.Background(), stopGrace)
		defer end()
		if server.Shutdown(grace) != nil {
			_ = server.Close()
		}
	}()
	ready(under.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the page: %w", err)
	}
	<-done
	return nil
}
