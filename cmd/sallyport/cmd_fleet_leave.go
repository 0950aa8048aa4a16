//go:build linux && !client_only

package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/fleet/admission"
	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/desk"
	"sallyport/internal/fleet/kept"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/key"
)

var errNoFleet = hinted{errors.New("this gate belongs to no fleet"), "an operator invites it (sallyport fleet invite), then: sallyport fleet join"}

func newFleetLeave(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Make this gate stand alone again",
		Long: `Removes conf.d/fleet.toml and what this gate knows of its fleet, its key too, and has the daemon take that into
use. Grants of the fleet's clients end. An operator takes the gate out of the roll with "sallyport fleet remove".`,
		Example: "  sallyport fleet leave",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	force := cmd.Flags().Bool("force", false, "even if that locks this session's source out")
	sure := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		if !cfg.Fleet.On() {
			return errNoFleet
		}
		if err := leaveAgreed(cmd.Context(), std, cfg, *sure); err != nil {
			return err
		}
		return leaveFleet(cmd.Context(), std, *path, cfg, *force)
	}
	return cmd
}

func leaveAgreed(ctx context.Context, std stdio, cfg *config.Config, sure bool) error {
	if sure {
		return nil
	}
	if !std.asks() {
		return hinted{errors.New("there is nobody to ask whether this gate is to leave its fleet"), "with --yes it does"}
	}
	yes, err := newDialog(ctx, std).yes(fmt.Sprintf("Make gate %q stand alone, without the fleet's clients?", cfg.Gate.Name), false)
	if err == nil && !yes {
		err = hinted{errors.New("not left"), "nothing was changed"}
	}
	return err
}

// leaveFleet takes the section out of use first, then forgets.
func leaveFleet(ctx context.Context, std stdio, path string, cfg *config.Config, force bool) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	file := filepath.Join(filepath.Dir(abs), "conf.d", "fleet.toml")
	text, err := os.ReadFile(file)
	if err != nil {
		return hinted{fmt.Errorf("[fleet] is not in %s, which sallyport fleet join writes", file), "remove the section where it is, then: sallyport reload"}
	}
	a := alteration{path: path, force: force}
	if err := a.apply(ctx, std.out, file, text, nil); err != nil {
		return fmt.Errorf("leave the fleet: %w", err)
	}
	if err := kept.Of(cfg.Daemon.StateDir).Forget(); err != nil {
		return advise(err)
	}
	fmt.Fprintf(std.out, "this gate stands alone; an operator says: sallyport fleet remove %s\n", cfg.Gate.Name)
	return nil
}

func newFleetRotateKey(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate-key",
		Short: "Give this gate a new key in its fleet, and its server keys to operators",
		Long: `Makes a new key with which this gate signs what it writes, and asks an operator to put it into the roll, with the
server keys and the port as they are now. Until that has been approved, the old key is in use. Run it after
"sallyport server-key rotate" too, so that profiles for the fleet have the new server key; --same-key leaves
the gate's own key as it is.`,
		Example: "  sallyport fleet rotate-key\n  sallyport fleet rotate-key --same-key --address 203.0.113.2",
		Args:    args(cobra.NoArgs),
	}
	r := rekeying{std: std, wait: durationFlag(time.Minute)}
	path := configFlag(cmd)
	cmd.Flags().BoolVar(&r.same, "same-key", false, "keep the gate's key: only its server keys, port or addresses are new")
	cmd.Flags().StringArrayVar(&r.addresses, "address", nil, "an `ADDRESS` or host name by which clients reach this gate, in place of those in the roll (may be repeated)")
	cmd.Flags().Var(&r.wait, "wait", "how long to wait for an operator")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		if !cfg.Fleet.On() {
			return errNoFleet
		}
		return r.run(cmd.Context(), cfg)
	}
	return cmd
}

// rekeying gives a gate other keys.
type rekeying struct {
	std       stdio
	same      bool
	addresses []string
	wait      durationFlag
}

func (r *rekeying) run(ctx context.Context, cfg *config.Config) error {
	folder := kept.Of(cfg.Daemon.StateDir)
	old, err := folder.Key()
	if err != nil {
		return advise(err)
	}
	pin, err := folder.Pin()
	if err != nil {
		return advise(err)
	}
	s, _, err := desk.Connect(desk.File{Endpoints: cfg.Fleet.Endpoints, CA: cfg.Fleet.CA, Cert: cfg.Fleet.Cert, Key: cfg.Fleet.Key})
	if err != nil {
		return advise(err)
	}
	defer s.Close()
	v, err := archive.Load(ctx, s, nil, pin)
	if err != nil {
		return gateAdvice(cfg.Gate.Name, err)
	}
	next, err := r.key(folder, old)
	if err != nil {
		return advise(err)
	}
	before, there := v.Gates[cfg.Gate.Name]
	switch {
	case there && before.Key.Equal(next.Public()) && !r.same: // an operator was faster than this command
		return r.take(ctx, cfg, folder)
	case !there || !before.Key.Equal(old.Public()):
		return hinted{errors.New("the roll does not name this gate with the key that it has"), "an operator invites it again: sallyport fleet invite " + cfg.Gate.Name}
	}
	gate, err := r.gate(cfg, before, next)
	if err != nil {
		return err
	}
	if err := desk.Ask(ctx, s, &admission.Request{Fleet: v.Fleet, Gate: gate, Replace: true}, next, old); err != nil {
		return gateAdvice(gate.Name, err)
	}
	fmt.Fprintf(r.std.out, "gate %q asks for the key %s; an operator says: sallyport fleet approve %s\n", gate.Name, fingerprint(gate.Key), gate.Name)
	if r.same {
		return nil
	}
	if err := awaitGate(ctx, r.std, s, pin, gate, time.Duration(r.wait)); err != nil {
		return err
	}
	return r.take(ctx, cfg, folder)
}

// key returns the key that the gate is to have.
func (r *rekeying) key(folder kept.Folder, old ed25519.PrivateKey) (ed25519.PrivateKey, error) {
	if r.same {
		return old, nil
	}
	return folder.NextKey()
}

// gate describes the gate as it is now.
func (r *rekeying) gate(cfg *config.Config, before roll.Gate, next ed25519.PrivateKey) (roll.Gate, error) {
	ring, err := loadServerKey(cfg)
	if err != nil {
		return roll.Gate{}, err
	}
	gate := before
	gate.Key, gate.Server, gate.Port = next.Public().(ed25519.PublicKey), serverKeys(ring), cfg.SPA.Port
	gate.Skew, gate.Shape = cfg.SPA.ClockSkew, cfg.Rotating.Shape
	for _, a := range r.addresses {
		if err := checkHost(a); err != nil {
			return gate, err
		}
	}
	if len(r.addresses) > 0 {
		gate.Addresses = r.addresses
	}
	same := slices.EqualFunc(before.Server, gate.Server, func(a, b key.Public) bool { return a.Equal(b) })
	if r.same && same && before.Port == gate.Port && before.Skew == gate.Skew && before.Shape == gate.Shape && slices.Equal(before.Addresses, gate.Addresses) {
		return gate, hinted{errors.New("the roll has all that already"), "without --same-key the gate gets a new key"}
	}
	return gate, nil
}

// take puts the new key into use.
func (r *rekeying) take(ctx context.Context, cfg *config.Config, folder kept.Folder) error {
	if err := folder.TakeNextKey(); err != nil {
		return advise(err)
	}
	if err := reloadIfRunning(ctx, r.std.out, cfg, false); err != nil {
		return fmt.Errorf("the new key is saved, but not in use: %w", err)
	}
	fmt.Fprintf(r.std.out, "gate %q signs with its new key\n", cfg.Gate.Name)
	return nil
}
