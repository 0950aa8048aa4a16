//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/packet"
	"sallyport/internal/setup"
)

func newDoorRotate(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Give a door a new random sequence",
		Long: `Writes a new static sequence where the door is defined, and has the daemon take it into use. The old one
opens the door too for a while, in which everybody who knocks must learn the new one.`,
		Example: "  sallyport door rotate ssh --keep 7d",
		Args:    args(cobra.ExactArgs(1)),
	}
	var r rotation
	r.flags(cmd, "sequence")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if err := checkKeep(r.keep); err != nil {
			return err
		}
		r.now = time.Now()
		cfg, err := loadConfig(r.path)
		if err != nil {
			return advise(err)
		}
		d := cfg.Door(list[0])
		if d == nil {
			return noDoor(cfg, list[0])
		}
		if len(d.Sequence) == 0 {
			return hinted{fmt.Errorf("door %q has no sequence, and a sequence would be one more way in", d.Name), fmt.Sprintf("if that is meant, write one at %s first", d.Place)}
		}
		if err := r.rotateDoor(cmd.Context(), std, cfg, d, *asJSON); err != nil {
			return fmt.Errorf("rotate the sequence of door %q: %w", d.Name, err)
		}
		return nil
	}
	return cmd
}

// rotatedDoor is a new sequence for programs.
type rotatedDoor struct {
	Door          string        `json:"door"`
	Sequence      []packet.Port `json:"sequence"`
	PreviousUntil time.Time     `json:"previous_until,omitzero"`
}

// newSequence picks knocks on ports that nothing on this host or in the
// configuration uses.
func newSequence(cfg *config.Config) ([]packet.Port, error) {
	h, err := setup.Look()
	if err != nil {
		return nil, err
	}
	h.Take(cfg.Gate.Public...)
	h.Take(cfg.SPA.Ports()...)
	for _, d := range cfg.Doors {
		h.Take(slices.Concat(d.Ports, d.Sequence, d.Previous)...)
	}
	return h.Sequence()
}

func (r *rotation) rotateDoor(ctx context.Context, std stdio, cfg *config.Config, d *config.Door, asJSON bool) error {
	knocks, err := newSequence(cfg)
	if err != nil {
		return err
	}
	old := tomlPorts(d.Sequence)
	told := std.out
	if asJSON {
		told = std.err
	}
	if err := r.change(ctx, told, d.Place, r.settings("sequence", tomlPorts(knocks), old)); err != nil {
		return err
	}
	if asJSON {
		result := rotatedDoor{Door: d.Name, Sequence: knocks}
		if r.keep > 0 {
			result.PreviousUntil = r.until()
		}
		printJSON(std.out, result)
		return nil
	}
	fmt.Fprintf(std.out, "door %q has a new sequence (%s)\n", d.Name, d.Place)
	r.tell(std.out, old, d.PreviousUntil)
	fmt.Fprint(std.out, "knock with: sallyport knock HOST")
	for _, k := range knocks {
		fmt.Fprint(std.out, " ", k)
	}
	fmt.Fprintln(std.out)
	return nil
}
