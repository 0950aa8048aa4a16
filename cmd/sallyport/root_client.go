//go:build !linux || client_only

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

var errNeedsServer = hinted{
	errors.New("this is the client alone: what guards a host needs Linux, and the whole program"),
	"run it on the server",
}

// serverCommands are not in the list of commands, but say why they cannot be
// carried out.
func serverCommands(stdio) (list []*cobra.Command) {
	for _, name := range serverNames {
		list = append(list, needsServer(name))
	}
	return list
}

// needsServer is a command that takes any arguments, and fails.
func needsServer(name string) *cobra.Command {
	return &cobra.Command{
		Use:                name,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(*cobra.Command, []string) error { return errNeedsServer },
	}
}
