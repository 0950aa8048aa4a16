//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/firewall"
	"sallyport/internal/inforce"
	"sallyport/internal/moat"
)

func newDown(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "down",
		Short:   "Open everything: remove the firewall table and end the daemon",
		GroupID: "server",
		Long: `Removes the table that keeps the doors closed and the moat, and ends the daemon if it runs. What other
firewall rules there are stays as it is. To end the daemon with the doors closed, stop it instead
(systemctl stop sallyport). On a terminal it asks first.

The next start closes the doors again, also where the configuration is gone or has a mistake by then: the daemon
keeps what was in force. --forget removes that copy, too.`,
		Example: "  sallyport down\n  sallyport down --yes\n  sallyport down --forget",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	var q control.DownRequest
	cmd.Flags().BoolVar(&q.Forget, "forget", false, "forget what was in force: a start with a broken configuration then closes nothing")
	yes := cmd.Flags().BoolP("yes", "y", false, "ask nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if std.asks() && !*yes {
			ask := newDialog(cmd.Context(), std)
			ask.left = "nothing was opened, and the daemon goes on"
			if good, err := ask.yes("Open every door to everyone, and end the daemon?", false); err != nil || !good {
				return err
			}
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		err = takeDown(cmd.Context(), conn, q)
		if control.NotRunning(err) {
			err = errors.Join(removeTable(), moat.Remove(moat.DefaultDir))
			if err == nil && q.Forget {
				err = advise(inforce.Open(os.Getenv).Forget())
			}
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(std.out, "the table is removed: doors are open")
		if enabled(unitFolder) {
			fmt.Fprintln(std.out, "the service is enabled: the next boot closes them again, unless you run systemctl disable sallyport")
		}
		return nil
	}
	return cmd
}

// unitFolder is where systemctl enable makes its links.
const unitFolder = "/etc/systemd/system"

// enabled reports whether systemd starts the service at the next boot.
func enabled(folder string) bool {
	links, _ := filepath.Glob(filepath.Join(folder, "*.wants", "sallyport.service")) // the pattern is good
	return len(links) > 0
}

// removeTable removes the table without a daemon.
func removeTable() error {
	f, err := firewall.New(slog.New(slog.DiscardHandler), firewall.Options{})
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Down()
}
