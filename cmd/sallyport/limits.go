//go:build linux && !client_only

package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/phrase"
)

// limits are what a new client may do, as the command line says it.
type limits struct {
	doors, from []string
	expires     string
	maxOpen     string
	single      bool
}

// flags adds those that say it, but for the doors.
func (l *limits) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&l.from, "from", nil, "a `PREFIX` that the client may knock from (may be repeated; default: anywhere)")
	cmd.Flags().StringVar(&l.expires, "expires", "", "`DATE` from which the key is refused, such as 2027-01-31")
	cmd.Flags().StringVar(&l.maxOpen, "max-open", "", "`TIME` of the longest grant, such as 30m (default: the door's open_for)")
	cmd.Flags().BoolVar(&l.single, "single", false, "grants let in one connection only")
}

// sensible refuses what would make a client that is of no use, before anything is done.
func (l *limits) sensible(now time.Time) error {
	if d, err := phrase.ParseDuration(l.maxOpen); l.maxOpen != "" && (err != nil || d < time.Second || d > 24*time.Hour) {
		return usageError{fmt.Errorf("--max-open %q: %w", l.maxOpen, cmp.Or(err, errors.New("want 1s to 24h")))}
	}
	for _, from := range l.from {
		if err := checkFrom(from); err != nil {
			return usageError{fmt.Errorf("--from %q: %w", from, err)}
		}
	}
	return checkExpires(l.expires, now)
}

// checkFrom refuses what is no address and no whole network.
func checkFrom(text string) error {
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err == nil && prefix != prefix.Masked():
		return fmt.Errorf("want the whole network, %s, or one address, %s", prefix.Masked(), prefix.Addr())
	case err == nil:
		return nil
	}
	if _, err := netip.ParseAddr(text); err != nil {
		return errSource
	}
	return nil
}

// checkExpires refuses what is no time to come.
func checkExpires(text string, now time.Time) error {
	next := "name a day to come, such as " + now.AddDate(1, 0, 0).Format(time.DateOnly)
	if text == "" {
		return nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil && at.After(now) {
			return nil
		} else if err == nil {
			return usageError{hinted{fmt.Errorf("--expires %s is in the past: the client could never open anything", text), next}}
		}
	}
	return usageError{hinted{fmt.Errorf("--expires %q: want a date such as 2027-01-31 (UTC) or 2027-01-31T18:00:00+01:00", text), next}}
}

// expiryOf reads a date that sensible has checked.
func expiryOf(text string) time.Time {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t
	}
	t, _ := time.Parse(time.RFC3339, text)
	return t.UTC()
}
