package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/build"
	"sallyport/internal/control"
)

func addCommands(root *cobra.Command, std stdio) {
	root.AddCommand(
		newServe(std),
		newCheck(std),
		newStatus(std),
		newOpen(std),
		newRevoke(std),
		newReload(std),
		newDown(std),
		newKnock(std),
		newDemo(std),
		newVersion(std),
	)
}

func newVersion(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		GroupID: "other",
		Args:    args(cobra.NoArgs),
		Run: func(*cobra.Command, []string) {
			fmt.Fprintf(std.out, "sallyport %s\n", build.Version())
		},
	}
}

// dial reaches the daemon whose configuration is at path. It asks the
// configuration for nothing but the socket.
func dial(path string) (*control.Conn, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	return control.Dial(cfg.Daemon.Socket), nil
}
