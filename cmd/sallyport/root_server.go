//go:build linux && !client_only

package main

import "github.com/spf13/cobra"

// serverCommands are those of the host that is guarded, and the demo.
func serverCommands(std stdio) []*cobra.Command {
	return []*cobra.Command{
		newSetup(std),
		newInit(std),
		newObserve(std),
		newServe(std),
		newClient(std),
		newFleet(std),
		newDoor(std),
		newConfig(std),
		newServerKeyCommand(std),
		newImport(std),
		newStatus(std),
		newTop(std),
		newConsole(std),
		newOpen(std),
		newRevoke(std),
		newBan(std),
		newAsks(std),
		newApprove(std),
		newRefuse(std),
		newReload(std),
		newConfirm(std),
		newDown(std),
		newEventsCommand(std),
		newWhy(std),
		newFindings(std),
		newReport(std),
		newGuide(std),
		newPage(std),
		newDrill(std),
		newDemo(std),
	}
}
