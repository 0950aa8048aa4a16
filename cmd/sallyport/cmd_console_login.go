//go:build linux && !client_only

package main

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/console"
	"sallyport/internal/control"
)

func newConsoleLogin(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Print a link with which someone logs in at the console",
		Long: `Has the console that runs make a login link, and prints it. It works once, within five minutes: who has
it is that user. Only root and the console's own user can have one made.

Where the console is served on the gate alone, a tunnel leads a browser elsewhere to it, which the answer
shows.`,
		Example: "  sallyport console login\n  sallyport console login --user alice --rights view",
		Args:    args(cobra.NoArgs),
	}
	path := consoleFlag(cmd)
	user := cmd.Flags().String("user", "", "the `NAME` that the journal has for what is done (default: who runs this)")
	rights := cmd.Flags().String("rights", "", "`RIGHTS`: view or act, or admin where the configuration gives the user that (default: those of the user, or act)")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConsole(*path)
		if err != nil {
			return err
		}
		q := console.LinkRequest{User: *user, Rights: *rights}
		if !cmd.Flags().Changed("user") {
			q.User = cmp.Or(os.Getenv("SUDO_USER"), control.UserName(uint32(os.Getuid())))
		}
		a, err := console.Link(cmd.Context(), cfg, q)
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, a)
			return nil
		}
		fmt.Fprintln(std.out, a.Link)
		printAboutLink(std, cfg, a)
		return nil
	}
	return cmd
}

// printAboutLink says what the link is, beside the link itself.
func printAboutLink(std stdio, cfg *config.Console, a console.LinkAnswer) {
	w := screenOf(std.err)
	w.prose("", "", fmt.Sprintf("It works once, until %s, and logs in %s, who may %s.", a.Until.Local().Format(time.TimeOnly), a.User, a.Right))
	port := strconv.Itoa(int(cfg.Listen.Port()))
	tunnel := "ssh -L " + port + ":" + net.JoinHostPort(cfg.Listen.Addr().String(), port) + " GATE"
	switch {
	case a.Local != "":
		w.prose("", "", "Where the proxy does not answer, the same works here and through a tunnel ("+tunnel+"): "+a.Local)
	case cfg.Origin == "":
		w.prose("", "", "From another computer, first: "+tunnel)
	}
}
