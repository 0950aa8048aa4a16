//go:build linux

package console

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/internal/crowded"
)

const (
	maxConnections = 256
	perSource      = 64 // a proxy and a tunnel are one source for many

	idleFor   = time.Minute
	stopGrace = 2 * time.Second
	tidyEvery = 10 * time.Second
)

// patience is how long others may take.
type patience struct {
	header  time.Duration // with the handshake, and the header of a request
	request time.Duration
	answer  time.Duration // to read it
}

var usual = patience{header: 5 * time.Second, request: 15 * time.Second, answer: time.Minute}

// Run serves until the context ends. It can be called once.
func (c *Console) Run(ctx context.Context) error {
	doors, err := c.listen()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, d := range doors {
		group.Go(func() error { return d.serve(ctx, c.log, c.patience) })
	}
	group.Go(func() error { return c.feed.run(ctx) })
	group.Go(func() error { return c.keepNotes(ctx) })
	group.Go(func() error {
		tick := time.NewTicker(tidyEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				c.sessions.endAll() // and with them the streams
				return nil
			case <-tick.C:
				c.sessions.tidy(c.now())
			}
		}
	})
	c.ready()
	return group.Wait()
}

// served is a listener, and what is served there.
type served struct {
	net.Listener
	handler http.Handler
}

// listen opens everything, or nothing.
func (c *Console) listen() (list []served, err error) {
	defer func() {
		if err != nil {
			for _, s := range list {
				err = errors.Join(err, s.Close())
			}
		}
	}()
	if err := os.MkdirAll(c.cfg.RunDir, 0o755); err != nil {
		return list, fmt.Errorf("make the folder for sockets: %w", err)
	}
	desk, err := c.openDesk()
	if err != nil {
		return list, err
	}
	list = append(list, served{desk, http.HandlerFunc(c.serveDesk)})
	l, err := net.Listen("tcp", c.cfg.Listen.String())
	if err != nil {
		return list, fmt.Errorf("listen for browsers: %w", err)
	}
	l = crowded.Listen(l, crowded.Limits{Most: maxConnections, PerSource: perSource})
	e := entrance{cfg: c.cfg}
	if c.cfg.TLSCert != "" {
		e.kind, e.https = direct, true
		settings, err := withCertificate(c.cfg.TLSCert, c.cfg.TLSKey)
		if err != nil {
			return append(list, served{Listener: l}), err
		}
		settings.NextProtos = []string{"h2", "http/1.1"}
		l = tls.NewListener(l, settings)
	}
	list = append(list, served{l, c.handler(e)})
	if c.cfg.Proxy.Listen == "" {
		return list, nil
	}
	if l, err = c.openProxy(); err != nil {
		return list, err
	}
	return append(list, served{l, c.handler(entrance{cfg: c.cfg, kind: proxied, https: true})}), nil
}

// withCertificate reads a certificate at each handshake, so that it can be replaced.
func withCertificate(cert, key string) (*tls.Config, error) {
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}}, nil
}

// connKey finds the connection of a request.
type connKey struct{}

// prove notes that a connection has shown a session: it makes room for no other any more,
// unless that user has very many.
func (v *visit) prove(user string) {
	if conn, ok := v.Context().Value(connKey{}).(net.Conn); ok {
		crowded.ProveOf(conn, user)
	}
}

func (s served) serve(ctx context.Context, log *slog.Logger, p patience) error {
	server := http.Server{
		Handler: s.handler,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
		ReadHeaderTimeout: p.header,
		ReadTimeout:       p.request,
		WriteTimeout:      p.answer,
		IdleTimeout:       idleFor,
		MaxHeaderBytes:    16 << 10,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 64},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(s.Listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	case <-ctx.Done():
		grace, end := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer end()
		err := server.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		<-failed
		return err
	}
}
