//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newDemo(stdio) *cobra.Command {
	return &cobra.Command{
		Use:     "demo",
		Short:   "Show a closed door, a knock, an open door, closed again (Linux only)",
		GroupID: "other",
		RunE: func(*cobra.Command, []string) error {
			return errors.New("the demo needs Linux")
		},
	}
}
