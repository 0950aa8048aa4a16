//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/journal"
	"sallyport/internal/phrase"
)

func newAck(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ack ID ...",
		Short: "Mark findings as seen",
		Long: `Marks findings as seen. The first letters of an ID do, as long as no other begins with them.
A running daemon records in the journal who did that, as the kernel names the user.`,
		Example: "  sallyport findings ack 3f2a91\n  sallyport findings ack 3f 7c",
		Args:    args(cobra.MinimumNArgs(1)),
	}
	var place journalPlace
	place.journalFlags(cmd)
	cmd.ValidArgsFunction = names(ackNames).complete
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		for _, word := range list {
			id, err := findingID(cmd.Context(), &place, word)
			if err != nil {
				return err
			}
			f, err := acknowledge(cmd.Context(), &place, id)
			if err != nil {
				return err
			}
			fmt.Fprintf(std.out, "finding %s is acknowledged by %s\n", inert.Text(id), inert.Text(f.By))
		}
		return nil
	}
	return cmd
}

// acknowledge has the daemon mark a finding as seen, so that it is on record. Where
// no daemon runs, and for a file that was kept aside, only the file is changed.
func acknowledge(ctx context.Context, place *journalPlace, id string) (f event.Finding, err error) {
	if place.file == "" {
		conn, err := dial(place.config)
		if err != nil {
			return f, err
		}
		if f, err = conn.Acknowledge(ctx, control.AckRequest{ID: id}); err == nil || !control.NotRunning(err) {
			return f, err
		}
	}
	path, err := place.path()
	if err != nil {
		return f, err
	}
	f, ok, err := journal.Acknowledge(ctx, path, id, control.UserName(uint32(os.Getuid())), time.Now())
	if err == nil && !ok {
		return f, hinted{fmt.Errorf("there is no finding %q", id), "sallyport findings --all lists them"}
	}
	return f, advise(err)
}

// findingID returns the whole of an ID whose beginning is given.
func findingID(ctx context.Context, place *journalPlace, begin string) (string, error) {
	ids, err := findingIDs(ctx, place, true)
	if err != nil || slices.Contains(ids, begin) {
		return begin, err
	}
	var fit []string
	for _, id := range ids {
		if begin != "" && strings.HasPrefix(id, begin) {
			fit = append(fit, id)
		}
	}
	switch len(fit) {
	case 0:
		return "", hinted{fmt.Errorf("there is no finding %q", begin), "sallyport findings --all lists them"}
	case 1:
		return fit[0], nil
	}
	return "", hinted{fmt.Errorf("%s begin with %q", phrase.Count(len(fit), "finding"), begin), "they are: " + inert.Text(strings.Join(fit, ", "))}
}

// findingIDs are those of the findings; acknowledged ones only with all.
func findingIDs(ctx context.Context, place *journalPlace, all bool) (ids []string, err error) {
	r, err := place.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	list, err := r.Findings(ctx, all)
	for _, f := range list {
		ids = append(ids, f.ID)
	}
	return ids, err
}

// ackNames offers the IDs of findings that have not been seen.
func ackNames(cmd *cobra.Command, _ []string) []string {
	var place journalPlace
	place.config, _ = cmd.Flags().GetString("config") // both flags are there
	place.file, _ = cmd.Flags().GetString("journal")
	ids, _ := findingIDs(context.Background(), &place, false)
	return ids
}
