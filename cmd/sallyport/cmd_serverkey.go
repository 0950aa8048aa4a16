package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
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

// loadServerKey reads the server key of a configuration.
func loadServerKey(cfg *config.Config) (key.Keyring, error) {
	ring, err := keyfile.Load(cfg.SPA.ServerKey)
	if errors.Is(err, fs.ErrNotExist) {
		return ring, hinted{err, "start the daemon once with SPA on, or run sallyport init: both make the server key"}
	}
	return ring, advise(err)
}

// fits tells whether the messages of a suite have room for a client's proof.
func fits(suite key.Suite, c *config.Client) error {
	if c.Key == nil { // it has rotating sequences only
		return nil
	}
	size, err := sshauth.ProofSize(c.Key)
	if err == nil {
		_, err = spa.Length(suite, size)
	}
	return err
}

// checkSuite refuses a client that the server as it is could never hear. A
// server key that cannot be read says nothing against anybody.
func checkSuite(cfg *config.Config, c *config.Client) error {
	ring, err := keyfile.Load(cfg.SPA.ServerKey)
	if err != nil || c == nil {
		return nil
	}
	if err := fits(ring.Current().Public().Suite(), c); err != nil {
		return hinted{fmt.Errorf("%s key: %w", c.Key.Type(), err), "sallyport keygen makes an Ed25519 key; sallyport server-key rotate --suite x25519 makes such a server key"}
	}
	return nil
}

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

func newServerKeyShow(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "Show the server's public key", Args: args(cobra.NoArgs)}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		ring, err := loadServerKey(cfg)
		if err != nil {
			return err
		}
		s := shown(ring, time.Now())
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
		Long: `Makes a new server key and has the daemon take it into use. The old one is accepted for a while,
in which every client must get a new profile. Only one old key is: that of an earlier rotation ends.`,
		Args: args(cobra.NoArgs),
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
	before := shown(ring, now)
	after := ring.Rotate(next, now.Add(keep))
	if err := keyfile.Save(cfg.SPA.ServerKey, after); err != nil {
		return advise(err)
	}
	s := shown(after, now)
	fmt.Fprintf(w, "new key %s (%s)\n", s.Fingerprint, s.Suite)
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
		if c := &cfg.Clients[i]; fits(kind, c) != nil {
			fmt.Fprintf(w, "client %q needs another key: %s is too long for %s\n", c.Name, c.Key.Type(), kind)
		}
	}
	return nil
}

// dayFlag is a duration that can be given in days.
type dayFlag time.Duration

func (d *dayFlag) Set(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		const bits = 12 // 4,095 days
		n, err := strconv.ParseUint(days, 10, bits)
		*d = dayFlag(time.Duration(n) * 24 * time.Hour)
		if err != nil {
			return errors.New("want a time such as 12h or 30d, at most 4095d")
		}
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return errors.New("want a time such as 12h or 30d")
	}
	*d = dayFlag(v)
	return nil
}

func (d *dayFlag) String() string {
	if v := time.Duration(*d); v%(24*time.Hour) != 0 {
		return v.String()
	}
	return strconv.FormatInt(int64(time.Duration(*d)/(24*time.Hour)), 10) + "d"
}

func (d *dayFlag) Type() string { return "duration" }
