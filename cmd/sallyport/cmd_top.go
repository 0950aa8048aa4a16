//go:build linux && !client_only

package main

import (
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sallyport/internal/top"
)

func newTop(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "top",
		Short:   "Show who is in and who is trying, as it happens",
		GroupID: "server",
		Long: `Shows grants counting down, events as they come, findings, and how much junk arrives; and opens,
revokes, bans and acknowledges, after asking, and lets in who asks. It goes on when the daemon is started again. Users to whom
[api] view gives that may look, and those in act may act, too; the journal says who did.`,
		Example: `  sallyport top
  ssh -t root@gate.example.org sallyport top`,
		Args: args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		in, reads := fileOf(std.in)
		out, writes := fileOf(std.out)
		screen := screenOf(std.out)
		if !reads || !writes || !term.IsTerminal(int(in.Fd())) || screen.width == 0 {
			return hinted{errors.New("this is not a terminal"), "over ssh, ssh -t makes one; for programs there are sallyport status --json and sallyport events -f --json"}
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		if _, err := conn.Status(cmd.Context()); err != nil {
			return err
		}
		return top.Run(cmd.Context(), conn, top.Options{In: in, Out: out, Color: screen.color})
	}
	return cmd
}
