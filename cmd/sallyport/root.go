package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/build"
	"sallyport/internal/config"
	"sallyport/internal/control"
)

func addCommands(root *cobra.Command, std stdio) {
	root.AddCommand(
		newInit(std),
		newServe(std),
		newClient(std),
		newDoor(std),
		newServerKeyCommand(std),
		newImport(std),
		newCheck(std),
		newStatus(std),
		newOpen(std),
		newRevoke(std),
		newBan(std),
		newReload(std),
		newConfirm(std),
		newDown(std),
		newEventsCommand(std),
		newWhy(std),
		newFindings(std),
		newReport(std),
		newKnock(std),
		newClose(std),
		newSSH(std),
		newProxy(std),
		newWatch(std),
		newDoctor(std),
		newKeygen(std),
		newAdd(std),
		newPair(std),
		newList(std),
		newRemove(std),
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
