//go:build linux && !client_only

package main

import (
	"fmt"
	"io"
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

	Other *shownKey `json:"other,omitempty"` // that of the other suite
}

func shown(ring key.Keyring, now time.Time) shownKey {
	var s shownKey
	for i, h := range ring.All() {
		if i > 0 {
			other := shownHeld(h, now)
			s.Other = &other
			continue
		}
		s = shownHeld(h, now)
	}
	return s
}

func shownHeld(h key.Held, now time.Time) shownKey {
	public := h.Current.Public()
	s := shownKey{Fingerprint: public.Fingerprint(), Suite: public.Suite().String(), PublicKey: public.Text()}
	if !h.Previous.IsZero() && now.Before(h.Until) {
		s.Previous, s.PreviousUntil = h.Previous.Public().Fingerprint(), h.Until
	}
	return s
}

func (s shownKey) print(w io.Writer) {
	fmt.Fprintf(w, "fingerprint  %s\nsuite        %s\n", s.Fingerprint, s.Suite)
	if s.Previous != "" {
		fmt.Fprintf(w, "previous     %s, accepted until %s\n", s.Previous, s.PreviousUntil.Local().Format(time.DateTime))
	}
	fmt.Fprintf(w, "public key, for clients only:\n%s\n", s.PublicKey)
	if s.Other != nil {
		fmt.Fprintln(w)
		s.Other.print(w)
	}
}
