//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/console"
	"sallyport/internal/console/web"
	"sallyport/internal/daemon/manager"
)

func newConsole(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "console",
		Short:   "Serve a page on which operators see what the gate does, and act",
		GroupID: "server",
		Long: `Serves the console until it is stopped: a page for browsers on which one sees who is in, who is trying
and what is worth a look, and on which one opens, revokes, bans and acknowledges. It is a process of its
own, of a user of its own without any privilege, and asks the daemon by the control socket, which must give
that user a right: [api] act = ["sallyport-console"].

Without an https origin in its configuration it is served on this host only, and one comes in with a link
that "sallyport console login" prints. docs/CONSOLE.md shows how it is switched on.`,
		Example: "  systemctl enable --now sallyport-console\n  sallyport console login",
		Args:    args(cobra.NoArgs),
	}
	path := consoleFlag(cmd)
	debug := cmd.Flags().Bool("debug", false, "log more")
	jsonLog := cmd.Flags().Bool("log-json", false, "log as JSON, one object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConsole(*path)
		if err != nil {
			return err
		}
		log, queue := newLog(std.err, *debug, *jsonLog)
		go queue.Run()
		defer queue.Close()
		if os.Geteuid() == 0 {
			log.Warn("the console runs as root, and needs no more than a user of its own: systemctl start sallyport-console")
		}
		c, err := console.New(console.Options{Config: cfg, Page: web.Handler(), Log: log, Ready: func() { manager.New(os.Getenv, log).Notify("READY=1") }})
		if err != nil {
			return advise(err)
		}
		return advise(c.Run(cmd.Context()))
	}
	cmd.AddCommand(newConsoleLogin(std))
	return cmd
}

// consoleFlag adds the flag for the configuration of the console.
func consoleFlag(cmd *cobra.Command) *string {
	path := cmd.Flags().StringP("config", "c", config.DefaultConsole, "configuration `FILE` of the console")
	_ = cmd.MarkFlagFilename("config", "toml") // cannot fail: the flag has just been defined
	return path
}

// loadConsole reads the configuration of the console and adds advice to what can go wrong.
func loadConsole(path string) (*config.Console, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the configuration: %w", err)
	}
	cfg, err := config.LoadConsole(os.DirFS("/"), absolute)
	if errors.Is(err, fs.ErrNotExist) && !exists(absolute) {
		return nil, hinted{fmt.Errorf("there is no configuration %s", absolute), "look at the name after -c; without -c it is " + config.DefaultConsole}
	}
	return cfg, advise(err)
}
