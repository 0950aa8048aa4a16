//go:build linux && !client_only

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/phrase"
)

// logged is an entry of the roll as it is shown.
type logged struct {
	Entry   uint64   `json:"entry"`
	Hash    string   `json:"hash"`
	At      string   `json:"at"`
	Signer  string   `json:"signer"`
	Changes []string `json:"changes"`
}

func newFleetLog(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "log",
		Short:   "Show who has signed what",
		Long:    `Prints the entries of the roll that are kept, each with its signer and its changes. Each has been verified.`,
		Example: "  sallyport fleet log --json | jq .",
		Args:    args(cobra.NoArgs),
	}
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := openFleet(cmd.Context())
		if err != nil {
			return err
		}
		defer d.Close()
		signers, err := d.View.Signers()
		if err != nil {
			return err
		}
		list := []logged{}
		for i, e := range d.View.Entries {
			l := logged{e.Number, e.Head().Hash.String(), e.At.Format(time.RFC3339), signers[i], nil}
			for _, c := range e.Changes {
				l.Changes = append(l.Changes, c.String())
			}
			list = append(list, l)
		}
		if *asJSON {
			printJSON(std.out, list)
			return nil
		}
		table(std.out, func(row func(...any)) {
			row("ENTRY", "AT", "SIGNED BY", "CHANGES")
			for _, l := range list {
				row(l.Entry, l.At, l.Signer, several(l.Changes))
			}
		})
		return nil
	}
	return cmd
}

func several(changes []string) string {
	if len(changes) == 1 {
		return changes[0]
	}
	return fmt.Sprintf("%s, and %s", changes[0], phrase.Count(len(changes)-1, "more change"))
}
