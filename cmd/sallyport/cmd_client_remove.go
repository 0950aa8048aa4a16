//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/inforce"
)

func newClientRemove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a client's right to knock away, and its grants",
		Long: `Removes conf.d/client-NAME.toml, which sallyport client add has written, and has the daemon forget the
client. A client that has enrolled itself with an invite is removed too, and an open invite is taken
back. Clients that are defined elsewhere are removed there. Connections under way go on, unless
--cut ends those that the client's grants have let in; the exit status is then 1 if there were none.

With --fleet an operator takes the client out of the roll of the fleet: its grants and connections end at
all gates. The exit status is 1 until each of them has said so.`,
		Example: "  sallyport client remove alice\n  sallyport client remove alice --cut",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	force := cmd.Flags().Bool("force", false, "even if nobody else can open the door of this session from here")
	cut := cmd.Flags().Bool("cut", false, "end the client's connections too")
	f := fleetFlag(cmd, std, "take the client out of the roll of the fleet")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if err := f.alone(cmd, "force", "cut", "config"); err != nil {
			return err
		}
		if f.on {
			return f.removeFromFleet(cmd.Context(), list[0])
		}
		file, err := clientFile(*path, list[0])
		if err != nil {
			return err
		}
		if !exists(file) {
			err = removeEnrolled(cmd.Context(), std.out, *path, list[0], *force)
		} else {
			err = removeClient(cmd.Context(), std.out, *path, list[0], file, *force)
		}
		if err != nil || !*cut {
			return err
		}
		return cutClient(cmd.Context(), std.out, *path, list[0])
	}
	return cmd
}

// removeClient removes the file of a client. It does so in a broken
// configuration too, which may be broken because of that file.
func removeClient(ctx context.Context, w io.Writer, path, name, file string, force bool) error {
	if cfg, err := loadKnown(path); err == nil {
		if err := missed(cfg, name); err != nil && !force {
			return err
		}
		if other := alsoIn(cfg, file, name); other != "" {
			return hinted{fmt.Errorf("%s defines %s too", file, other), "remove the client there by hand, then: sallyport reload"}
		}
	}
	if err := inforce.Open(os.Getenv).Remove(name, func() error { return os.Remove(file) }); err != nil {
		return advise(fmt.Errorf("remove client %q: %w", name, err))
	}
	fmt.Fprintf(w, "client %q is removed (%s)\n", name, file)
	cfg, err := loadConfig(path)
	if err == nil {
		err = reloadIfRunning(ctx, w, cfg, force)
	}
	if err != nil {
		return hinted{fmt.Errorf("a running daemon lets the client in until it has reloaded: %w", err), "when the configuration is good: sallyport reload"}
	}
	return nil
}

// cutClient ends the connections of a client who has been removed.
func cutClient(ctx context.Context, w io.Writer, path, name string) error {
	none := hinted{fmt.Errorf("no connection of client %q was found to cut", name), "sallyport revoke --source ADDRESS --cut ends all of an address"}
	conn, err := dial(path)
	if err != nil {
		return err
	}
	q := control.RevokeRequest{Client: name, Cut: true}
	a, err := conn.Revoke(ctx, q)
	if refused := (*control.Error)(nil); errors.As(err, &refused) && refused.Wrong {
		return none // the daemon does not know the name any more, and has found nothing of it
	}
	if err != nil {
		return fmt.Errorf("cut the connections of client %q: %w", name, err)
	}
	printRevoked(w, q, a)
	if a.Cut == 0 {
		return none
	}
	return nil
}

// alsoIn names something that a file defines beside the client, or is empty.
func alsoIn(cfg *config.Config, file, name string) string {
	for _, c := range cfg.Clients {
		if c.Place.File == file && c.Name != name {
			return fmt.Sprintf("client %q", c.Name)
		}
	}
	for _, d := range cfg.Doors {
		if d.Place.File == file {
			return fmt.Sprintf("door %q", d.Name)
		}
	}
	return ""
}
