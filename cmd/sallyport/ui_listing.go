//go:build linux && !client_only

package main

import (
	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

// newListing is a command that lists something of the configuration: as a table,
// with cells for each entry, or as JSON.
func newListing[T any](std stdio, short, example string, list func(*config.Config) []T, header []any, cells func(T) []any) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: short, Example: example, Args: args(cobra.NoArgs)}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadKnown(*path)
		if err != nil {
			return err
		}
		printListing(std, *asJSON, list(cfg), header, cells)
		return nil
	}
	return cmd
}

func printListing[T any](std stdio, asJSON bool, entries []T, header []any, cells func(T) []any) {
	if asJSON {
		printJSON(std.out, entries)
		return
	}
	table(std.out, func(row func(...any)) {
		row(header...)
		for _, e := range entries {
			row(cells(e)...)
		}
	})
}
