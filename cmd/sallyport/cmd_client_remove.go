//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/inforce"
	"sallyport/internal/inspect"
	"sallyport/internal/packet"
)

func newClientRemove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a client's right to knock away, and its grants",
		Long: `Removes conf.d/client-NAME.toml, which sallyport client add has written, and has the daemon forget the
client. Clients that are defined elsewhere are removed there. Connections under way go on, unless
--cut ends those that the client's grants have let in; the exit status is then 1 if there were none.`,
		Example: "  sallyport client remove alice\n  sallyport client remove alice --cut",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	force := cmd.Flags().Bool("force", false, "even if nobody else can open the door of this session from here")
	cut := cmd.Flags().Bool("cut", false, "end the client's connections too")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		file, err := clientFile(*path, list[0])
		if err != nil {
			return err
		}
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			return notHere(*path, list[0])
		}
		if err := removeClient(cmd.Context(), std.out, *path, list[0], file, *force); err != nil || !*cut {
			return err
		}
		return cutClient(cmd.Context(), std.out, *path, list[0])
	}
	return cmd
}

// removeClient removes the file of a client. It does so in a broken
// configuration too, which may be broken because of that file.
func removeClient(ctx context.Context, w io.Writer, path, name, file string, force bool) error {
	if cfg, err := loadConfig(path); err == nil {
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

// missed refuses to remove the only one who can open the door that this very
// session came through, from where it came.
func missed(cfg *config.Config, name string) error {
	s, ok := inspect.CurrentSession()
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
