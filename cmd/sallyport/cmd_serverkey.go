//go:build linux && !client_only

package main

import (
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/key"
)

func newServerKeyCommand(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "server-key",
		Short:   "Show or rotate the server's key",
		GroupID: "server",
		Example: "  sallyport server-key show",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newServerKeyShow(std), newServerKeyRotate(std))
	return cmd
}

// defaultKeep is how long the key before a rotation is accepted.
const defaultKeep = 30 * 24 * time.Hour

// shownKey is a server key as it is shown: never its private half.
type shownKey struct {
	Fingerprint   string    `json:"fingerprint"`
	Suite         string    `json:"suite"`
	PublicKey     string    `json:"public_key"`
	Previous      string    `json:"previous,omitempty"` // fingerprint
	PreviousUntil time.Time `json:"previous_until,omitzero"`
}

func shown(ring key.Keyring, now time.Time) shownKey {
	public := ring.Current().Public()
	s := shownKey{Fingerprint: public.Fingerprint(), Suite: public.Suite().String(), PublicKey: public.Text()}
	if previous, until := ring.Previous(); !previous.IsZero() && now.Before(until) {
		s.Previous, s.PreviousUntil = previous.Public().Fingerprint(), until
	}
	return s
}
