package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/key"
	"sallyport/internal/keyfile"
)

func newServerKeyCommand(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "server-key",
		Short:   "Show or rotate the server's key",
		GroupID: "server",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newServerKeyShow(std), newServerKeyRotate(std))
	return cmd
}

// shownKey is a server key as it is shown: never its private half.
type shownKey struct {
	Fingerprint   string    `json:"fingerprint"`
	Suite         string    `json:"suite"`
	PublicKey     string    `json:"public_key"`
	Previous      string    `json:"previous,omitempty"` // fingerprint
	PreviousUntil time.Time `json:"previous_until,omitzero"`
}

func shown(ring key.Keyring) shownKey {
	public := ring.Current().Public()
	s := shownKey{Fingerprint: public.Fingerprint(), Suite: public.Suite().String(), PublicKey: public.Text()}
	if previous, until := ring.Previous(); !previous.IsZero() {
		s.Previous, s.PreviousUntil = previous.Public().Fingerprint(), until
	}
	return s
}

func newServerKeyShow(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "Show the server's public key", Args: args(cobra.NoArgs)}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		ring, err := keyfile.Load(cfg.SPA.ServerKey)
		if err != nil {
			return advise(err)
		}
		s := shown(ring)
		if *asJSON {
			printJSON(std.out, s)
			return nil
		}
		fmt.Fprintf(std.out, "fingerprint  %s\nsuite        %s\n", s.Fingerprint, s.Suite)
		if s.Previous != "" {
			fmt.Fprintf(std.out, "previous     %s, accepted until %s\n", s.Previous, s.PreviousUntil.Local().Format(time.DateTime))
		}
		fmt.Fprintf(std.out, "public key, for clients only:\n%s\n", s.PublicKey)
		return nil
	}
	return cmd
}

// defaultKeep is how long the key before a rotation is accepted.
const defaultKeep = 30 * 24 * time.Hour

func newServerKeyRotate(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new server key, and accept the old one for a while",
		Args:  args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	keep := dayFlag(defaultKeep)
	cmd.Flags().Var(&keep, "keep", "how long the old key is accepted, such as 12h or 30d")
	suite := cmd.Flags().String("suite", "", "mlkem768-x25519 or x25519 (default: as before)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		ring, err := keyfile.Load(cfg.SPA.ServerKey)
		if err != nil {
			return advise(err)
		}
		kind := ring.Current().Public().Suite()
		if *suite != "" {
			if kind, err = key.ParseSuite(*suite); err != nil {
				return usageError{err}
			}
		}
		next, err := key.Generate(kind)
		if err != nil {
			return fmt.Errorf("make server key: %w", err)
		}
		until := time.Now().Add(time.Duration(keep))
		if err := keyfile.Save(cfg.SPA.ServerKey, ring.Rotate(next, until)); err != nil {
			return advise(err)
		}
		fmt.Fprintf(std.out, "new key %s\nthe old one is accepted until %s; give every client a new profile before that:\n  sallyport client profile NAME --host HOST\n",
			next.Public().Fingerprint(), until.Local().Format(time.DateTime))
		return reloadIfRunning(cmd.Context(), std.out, cfg)
	}
	return cmd
}

// dayFlag is a duration that can be given in days.
type dayFlag time.Duration

func (d *dayFlag) Set(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 12)
		*d = dayFlag(time.Duration(n) * 24 * time.Hour)
		return err
	}
	v, err := time.ParseDuration(s)
	if err == nil && v < 0 {
		err = fmt.Errorf("%s is in the past", s)
	}
	*d = dayFlag(v)
	return err
}

func (d *dayFlag) String() string { return time.Duration(*d).String() }
func (d *dayFlag) Type() string   { return "duration" }
