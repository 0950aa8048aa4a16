//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/enrol"
	"sallyport/internal/enrolled"
	"sallyport/internal/enrolled/kept"
	"sallyport/internal/packet"
)

// removeEnrolled removes a client that has enrolled itself, or takes back an invite. A
// running daemon does it; else it is done to what the daemon has kept.
func removeEnrolled(ctx context.Context, w io.Writer, path, name string, force bool) error {
	cfg, err := loadKnown(path)
	if err != nil {
		return err
	}
	if err := missed(cfg, name); err != nil && !force {
		return err
	}
	a, running, err := askToRemove(ctx, path, name)
	if err == nil && !running {
		if a, err = removeKept(cfg, name, time.Now()); err == nil {
			// A daemon that has started meanwhile may have read it before.
			_, _, err = askToRemove(ctx, path, name)
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("remove client %q: %w", name, err)
	case a.Client:
		fmt.Fprintf(w, "client %q, which had enrolled itself, is removed\n", name)
	case a.Invite:
		fmt.Fprintf(w, "the invite for client %q is taken back\n", name)
	default:
		return notHere(path, name)
	}
	if !running {
		fmt.Fprintln(w, "no daemon is running; the next one will know")
	}
	return nil
}

func askToRemove(ctx context.Context, path, name string) (a control.RemoveAnswer, running bool, err error) {
	conn, err := dial(path)
	if err != nil {
		return a, false, err
	}
	a, err = conn.Remove(ctx, control.RemoveRequest{Client: name})
	if control.NotRunning(err) {
		return a, false, nil
	}
	return a, true, err
}

// removeKept does what the daemon would.
func removeKept(cfg *config.Config, name string, now time.Time) (a control.RemoveAnswer, err error) {
	folder := kept.Of(cfg.Daemon.StateDir)
	list, _, err := folder.Read()
	if err != nil {
		return a, advise(err)
	}
	for _, r := range list {
		if r.Name != name || r.Removed {
			continue
		}
		a.Invite, a.Client = a.Invite || r.Use == nil, a.Client || r.Use != nil
		if enrol.Gone(&r, now) {
			err = errors.Join(err, folder.Remove(r))
		} else {
			err = errors.Join(err, folder.Write(r))
		}
	}
	return a, advise(err)
}

// labelEnrolled labels a client that has enrolled itself, or will; is: there is such
// a client.
func labelEnrolled(ctx context.Context, w io.Writer, path, name, label string) (is bool, err error) {
	cfg, err := loadConfig(path)
	if err != nil || findClient(cfg, name) != nil {
		return false, nil // what is wrong, the other way says better
	}
	if !slices.ContainsFunc(records(cfg), func(r enrolled.Record) bool { return r.Name == name && !r.Removed }) {
		return false, nil
	}
	conn, err := dial(path)
	if err != nil {
		return true, err
	}
	_, err = conn.Label(ctx, control.LabelRequest{Client: name, Label: label})
	if control.NotRunning(err) {
		err = hinted{errors.New("no daemon is running, and it alone writes beside clients that have enrolled themselves"), "start it (systemctl start sallyport), then try again"}
	}
	if err != nil {
		return true, fmt.Errorf("label client %q: %w", name, err)
	}
	_, err = fmt.Fprintf(w, "client %q has the label %q\n", name, label)
	return true, err
}

// missed refuses to remove the only one who can open the door that this very
// session came through, from where it came.
func missed(cfg *config.Config, name string) error {
	s, ok := sshSession()
	if !ok {
		return nil
	}
	without := *cfg
	without.Clients = slices.DeleteFunc(slices.Clone(cfg.Clients), func(c config.Client) bool { return c.Name == name })
	port, now := packet.Port{Proto: packet.TCP, Number: s.Server.Port()}, time.Now()
	if cfg.WayIn(s.Client.Addr(), port, now) == "" || without.WayIn(s.Client.Addr(), port, now) != "" {
		return nil
	}
	return hinted{fmt.Errorf("this would lock you out: nobody but client %q can open %s from %s, where you are", name, port, s.Client.Addr()),
		"enrol another client first (sallyport client add), or use --force; your session goes on in any case"}
}

// notHere says where a client is defined that has no file of its own.
func notHere(path, name string) error {
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	if c := findClient(cfg, name); c != nil {
		return hinted{fmt.Errorf("client %q is defined at %s", name, c.Place), "remove it there, then: sallyport reload"}
	}
	return noClient(cfg, name)
}
