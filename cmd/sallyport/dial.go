//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/inert"
	"sallyport/internal/inforce"
	"sallyport/internal/phrase"
)

// reloadIfRunning has a running daemon take the configuration into use, unless
// that would bring back what was rolled back, or lock out who asks.
func reloadIfRunning(ctx context.Context, w io.Writer, cfg *config.Config, force bool) error {
	return reloadWith(ctx, w, cfg, control.ReloadRequest{Implied: true, Force: force})
}

// reloadPatience is how long a daemon may take for a configuration: one of thousands of
// files takes seconds.
const reloadPatience = time.Minute

// reloadWith has a running daemon read the configuration that has changed.
func reloadWith(ctx context.Context, w io.Writer, cfg *config.Config, q control.ReloadRequest) error {
	fromSession(&q)
	// What is begun is carried out: of two halves, in the files and in force, an
	// interruption would leave one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadPatience)
	defer cancel()
	a, err := control.Dial(cfg.Daemon.Socket).Change(ctx, q)
	switch {
	case err == nil:
		for _, text := range a.Warnings {
			warn(w, "%s", text)
		}
		printWaiting(w, a)
		switch {
		case a.Until.IsZero() && len(a.Waiting) > 0:
			fmt.Fprintln(w, "the daemon has taken the rest into use")
		case a.Until.IsZero():
			fmt.Fprintln(w, "the daemon has taken it into use")
		default:
			fmt.Fprintf(w, "on trial: it is rolled back in %s unless you run sallyport confirm\n", remaining(a.Until, time.Now()))
		}
		return nil
	case control.NotRunning(err):
		fmt.Fprintln(w, "no daemon is running; the next one will know")
		return nil
	case ctx.Err() != nil:
		return hinted{fmt.Errorf("have the daemon use it: it has not answered within %s", phrase.Duration(reloadPatience)), "what is in force, and whether the daemon is well: sallyport status"}
	}
	return fmt.Errorf("have the daemon use it: %w", err)
}

// dial reaches the daemon whose configuration is at path. All it needs from
// there is the socket, so that a configuration with a mistake does not keep
// anybody from revoking a grant. One that is named and not there is an error,
// however: the usual socket is another daemon's.
func dial(path string) (*control.Conn, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the configuration: %w", err)
	}
	socket, known := config.Socket(os.DirFS("/"), absolute)
	if !known {
		// It may be where the daemon's copy of an earlier file says.
		if kept := inforce.Open(os.Getenv).Socket(absolute); kept != "" {
			return control.Dial(kept), nil
		}
	}
	if absolute != defaultConfig {
		if err := readable(absolute); errors.Is(err, fs.ErrNotExist) {
			return nil, noConfig(absolute)
		} else if err != nil {
			return nil, fmt.Errorf("find the daemon by its configuration: %w", advise(err))
		}
	}
	return control.Dial(socket), nil
}

// readable returns an error if a file is not there, or cannot be read.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = f.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// fromSession lets the daemon know where the one who asks sits.
func fromSession(q *control.ReloadRequest) {
	if s, ok := sshSession(); ok {
		q.From, q.To = s.Client.Addr(), s.Server.Port()
	}
}

// printRevoked reports what was ended.
func printRevoked(w io.Writer, q control.RevokeRequest, a control.RevokeAnswer) {
	for _, g := range a.Grants {
		fmt.Fprintf(w, "door %q is closed for %s\n", g.Door, g.For())
	}
	fmt.Fprintf(w, "%s revoked", phrase.Count(len(a.Grants), "grant"))
	if q.Cut {
		fmt.Fprintf(w, ", %s cut", phrase.Count(a.Cut, "connection"))
	}
	fmt.Fprintln(w)
	if q.Client != "" && len(a.Others) > 0 {
		fmt.Fprintf(w, "what was cut was theirs too: %s\n", inert.Text(strings.Join(a.Others, ", ")))
	}
	if q.Client != "" && a.BySource > 0 {
		fmt.Fprintf(w, "of %s it is not known whose they were: they came from the same sources\n", phrase.Count(a.BySource, "connection"))
	}
}

// printWaiting names what a restart brings into force.
func printWaiting(w io.Writer, a control.ReloadAnswer) {
	for _, name := range a.Waiting {
		warn(w, "%s waits for a restart: systemctl restart sallyport, which loses no grant", name)
	}
}
