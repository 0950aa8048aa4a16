//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	_ "time/tzdata" // hours have a time zone, on hosts without such data too

	"github.com/spf13/cobra"

	"sallyport/internal/build"
	"sallyport/internal/daemon"
	"sallyport/internal/inforce"
	"sallyport/internal/phrase"
)

func newServe(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Guard the doors: the daemon",
		GroupID: "server",
		Long: `Closes the doors, watches for knocks and opens doors, until it is stopped.

When it stops, or is killed, the doors stay closed and grants end on time: both are
the kernel's work. SIGHUP (or sallyport reload) applies a changed configuration.
Needs CAP_NET_ADMIN and CAP_NET_RAW, and no other right. Started by root, it becomes the
user to whom state_dir belongs.

If the configuration cannot be read at the start, the last good one is in force; if there
is no copy of that either, what was closed is closed for everybody but trusted sources.

With --confirm, a configuration that is not the one last in force is on trial: unless
"sallyport confirm" comes in time, the one before is in force again, and at the first
start everything is open again. The kernel sees to it, even if the daemon is killed.`,
		Example: "  sallyport serve --confirm 5m",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	debug := cmd.Flags().Bool("debug", false, "log more")
	unowned := cmd.Flags().Bool("unowned", false, "let other programs change the firewall table, as before Linux 6.9; it is put back")
	confirm := addDuration(cmd, "confirm", 0, "roll a changed configuration back unless it is confirmed in this time")
	jsonLog := cmd.Flags().Bool("log-json", false, "log as JSON, one object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("confirm") && (*confirm < time.Second || *confirm > time.Hour) {
			return usageError{fmt.Errorf("--confirm %s: want 1s to 1h", phrase.Duration(*confirm))}
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("find the configuration: %w", err)
		}
		if err := becomeDaemon(absolute, inforce.Open(os.Getenv)); err != nil {
			return err
		}
		log, queue := newLog(std.err, *debug, *jsonLog)
		go queue.Run()
		defer queue.Close()
		err = daemon.Run(cmd.Context(), daemon.Options{
			ConfigPath: absolute,
			Version:    build.Version(),
			Log:        log,
			Getenv:     os.Getenv,
			Confirm:    *confirm,
			Unowned:    *unowned,
		})
		if errors.Is(err, fs.ErrNotExist) && !exists(absolute) {
			return noConfig(absolute)
		}
		return advise(err)
	}
	return cmd
}
