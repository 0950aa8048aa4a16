//go:build linux && !client_only

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/inert"
	"sallyport/internal/journal"
	"sallyport/internal/phrase"
)

func newVerify(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that nobody has changed the journal",
		Long: `Recomputes the hash of every event: what was changed, deleted in between or cut off at the
end shows. Anyone who may write the file could also compute all hashes again. To notice that, keep
the printed number and hash elsewhere, and give them to --known later.`,
		Example: "  sallyport events verify --known 4711:9f86d081884c7d65",
		Args:    args(cobra.NoArgs),
	}
	var place journalPlace
	place.journalFlags(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	known := cmd.Flags().String("known", "", "`NUMBER:HASH` of an event, as printed earlier; the beginning of the hash is enough")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := place.open()
		if err != nil {
			return err
		}
		defer r.Close()
		v, err := r.Verify(cmd.Context())
		if err != nil {
			return err
		}
		if *known != "" {
			fault, err := compareKnown(cmd.Context(), r, *known)
			if err != nil {
				return err
			}
			if fault != "" {
				v.Faults = append(v.Faults, fault)
			}
		}
		if *asJSON {
			printJSON(std.out, v)
		} else {
			fmt.Fprintf(std.out, "%s checked, %d outside of the chain\n", phrase.Count(int(v.Rows), "event"), v.Outside)
			for _, f := range v.Faults {
				warn(std.out, "%s", inert.Text(f))
			}
			if v.LastHash != "" {
				fmt.Fprintf(std.out, "latest: %d:%s\n", v.Last, v.LastHash)
			}
		}
		if len(v.Faults) > 0 {
			return fmt.Errorf("the journal was changed: %s", phrase.Count(len(v.Faults), "fault"))
		}
		return nil
	}
	return cmd
}

// compareKnown compares an event with what was printed about it earlier. It
// returns what is wrong, in words.
func compareKnown(ctx context.Context, r *journal.Reader, known string) (string, error) {
	number, hash, ok := strings.Cut(known, ":")
	id, err := strconv.ParseInt(number, 10, 64)
	if _, notHex := hex.DecodeString(hash); !ok || err != nil || notHex != nil || len(hash) < 16 {
		return "", usageError{fmt.Errorf("--known %q: want a number, a colon and at least 16 digits of the hash, as printed earlier", known)}
	}
	have, err := r.Hash(ctx, id)
	switch {
	case err != nil:
		return "", err
	case have == nil:
		return fmt.Sprintf("event %d is not there (any more): deleted, or too old to be kept", id), nil
	case !strings.HasPrefix(hex.EncodeToString(have), strings.ToLower(hash)):
		return fmt.Sprintf("event %d has another hash than the one that you know: the journal was rewritten", id), nil
	}
	return "", nil
}
