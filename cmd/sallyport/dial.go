package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/inspect"
)

// advise adds the usual remedy to a failure of the file system.
func advise(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return hinted{err, "run it as root (sudo)"}
	}
	return err
}

// reloadIfRunning has a running daemon take the configuration into use, unless
// that would bring back what was rolled back, or lock out who asks.
func reloadIfRunning(ctx context.Context, w io.Writer, cfg *config.Config, force bool) error {
	q := control.ReloadRequest{Implied: true, Force: force}
	fromSession(&q)
	a, err := control.Dial(cfg.Daemon.Socket).Change(ctx, q)
	switch {
	case err == nil:
		for _, text := range a.Warnings {
			fmt.Fprintf(w, "! %s\n", text)
		}
		fmt.Fprintln(w, "the daemon has taken it into use")
		return nil
	case control.NotRunning(err):
		fmt.Fprintln(w, "no daemon is running; the next one will know")
		return nil
	}
	return fmt.Errorf("have the daemon use it: %w", err)
}

// dial reaches the daemon whose configuration is at path. All it needs from
// there is the socket, so that a configuration with a mistake does not keep
// anybody from revoking a grant.
func dial(path string) (*control.Conn, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the configuration: %w", err)
	}
	return control.Dial(config.Socket(os.DirFS("/"), absolute)), nil
}

// fromSession lets the daemon know where the one who asks sits.
func fromSession(q *control.ReloadRequest) {
	if s, ok := inspect.CurrentSession(); ok {
		q.From, q.To = s.Client.Addr(), s.Server.Port()
	}
}
