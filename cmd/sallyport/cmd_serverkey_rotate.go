//go:build linux && !client_only

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
)

func newServerKeyRotate(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new server key, and accept the old one for a while",
		Long: `Makes a new server key and has the daemon take it into use. The old one is accepted for a while,
in which every client must get a new profile. Only one old key is: that of an earlier rotation ends.
The keys of the two suites are in force together, and each is rotated for itself. With --suite of which there
is no key yet, one is added: x25519 is for browsers, and for client keys that are too long for the other.`,
		Example: "  sallyport server-key rotate --keep 30d",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	keep := durationFlag(defaultKeep)
	cmd.Flags().Var(&keep, "keep", "how long the old key is accepted, such as 12h or 30d")
	suite := cmd.Flags().String("suite", "", "`SUITE` of the new key: mlkem768-x25519 or x25519 (default: that of the first)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkKeep(keep); err != nil {
			return err
		}
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		ring, err := loadServerKey(cfg)
		if err != nil {
			return err
		}
		kind := ring.Current().Public().Suite()
		if *suite != "" {
			if kind, err = key.ParseSuite(*suite); err != nil {
				return usageError{err}
			}
		}
		if err := rotate(std.out, cfg, ring, kind, time.Duration(keep)); err != nil {
			return err
		}
		if err := reloadIfRunning(cmd.Context(), std.out, cfg, false); err != nil {
			return fmt.Errorf("the new key is saved, but not in use: %w", err)
		}
		return nil
	}
	return cmd
}

// rotate puts a new key before those in the ring and says what follows from it.
func rotate(w io.Writer, cfg *config.Config, ring key.Keyring, kind key.Suite, keep time.Duration) error {
	next, err := key.Generate(kind)
	if err != nil {
		return fmt.Errorf("make server key: %w", err)
	}
	now := time.Now()
	var before shownKey
	old, rotates := ring.Of(kind)
	if rotates {
		before = shownHeld(old, now)
	}
	after := ring.Rotate(next, now.Add(keep))
	if err := keyfile.Save(cfg.SPA.ServerKey, after); err != nil {
		return advise(err)
	}
	held, _ := after.Of(kind)
	s := shownHeld(held, now)
	fmt.Fprintf(w, "new key %s (%s)\n", s.Fingerprint, s.Suite)
	if !rotates {
		fmt.Fprintln(w, "there was none of this suite; the other key stays in force, and profiles with it stay good")
		return nil
	}
	if s.Previous != "" {
		fmt.Fprintf(w, "the old one is accepted until %s; give every client a new profile before that:\n", s.PreviousUntil.Local().Format(time.DateTime))
	} else {
		fmt.Fprintln(w, "the old one is no longer accepted; give every client a new profile now:")
	}
	fmt.Fprintln(w, "  sallyport client profile NAME --host HOST")
	if before.Previous != "" {
		fmt.Fprintf(w, "the key before it (%s) was to be accepted until %s, and is no longer\n", before.Previous, before.PreviousUntil.Local().Format(time.DateTime))
	}
	for i := range cfg.Clients {
		if c := &cfg.Clients[i]; fits(kind, c) != nil && len(after.All()) == 1 {
			fmt.Fprintf(w, "client %q needs another key: %s is too long for %s\n", c.Name, c.Key.Type(), kind)
		}
	}
	return nil
}
