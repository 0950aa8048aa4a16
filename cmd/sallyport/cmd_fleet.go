//go:build linux && !client_only

package main

import "github.com/spf13/cobra"

func newFleet(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "fleet",
		Short:   "Have several gates share who may knock",
		GroupID: "server",
		Long: `A fleet is several gates that share who may knock and who is revoked, by way of an etcd. What counts is the
roll: a chain of entries that operators sign with their SSH keys. What is in etcd and not signed counts
for nothing. Each gate bans for itself.

An operator founds a fleet with "init", on any machine, and invites gates; each gate joins, and the
operator approves it. From then on client add, client remove and revoke with --fleet are for all gates.`,
		Example: "  sallyport fleet init --endpoint 127.0.0.1:2379 --operator alice\n  sallyport fleet invite tokyo-1 > tokyo-1.invitation\n  sallyport fleet status",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	operator := &cobra.Command{
		Use:     "operator",
		Short:   "Who may sign what holds in the fleet",
		Example: "  sallyport fleet operator add bob --key bob.pub",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	operator.AddCommand(newFleetOperatorAdd(std), newFleetOperatorRemove(std))
	cmd.AddCommand(newFleetInit(std), newFleetInvite(std), newFleetJoin(std), newFleetApprove(std), newFleetStatus(std), newFleetLog(std), newFleetRotateKey(std),
		newFleetLeave(std), newFleetRemove(std), newFleetRestore(std), newFleetEtcdCommands(std), operator)
	return cmd
}
