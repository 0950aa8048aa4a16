//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

func newClientRotate(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Give a client a new secret for rotating sequences",
		Long: `Writes a new secret where the client is defined, and has the daemon take it into use. The old one works
for a while, in which the client must get its new profile. A client that
has only a key gets its first one with --rotating. The client's SSH key stays as it is: the client replaces that itself.`,
		Example: "  sallyport client rotate alice --keep 7d\n  sallyport client profile alice --host gate.example.org --qr",
		Args:    args(cobra.ExactArgs(1)),
	}
	rotating := cmd.Flags().Bool("rotating", false, "give a first secret to a client that has only a key: one more way in")
	var r rotation
	r.flags(cmd, "secret")
	f := fleetFlag(cmd, std, "give a client of the fleet a new secret at all gates; the old one ends at once")
	f.profileFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if err := f.alone(cmd, "keep", "config"); err != nil {
			return err
		}
		if f.on {
			return f.rotateInFleet(cmd.Context(), list[0], *rotating)
		}
		if err := checkKeep(r.keep); err != nil {
			return err
		}
		r.now = time.Now()
		cfg, err := loadConfig(r.path)
		if err != nil {
			return advise(err)
		}
		c := findClient(cfg, list[0])
		if c == nil {
			return noClient(cfg, list[0])
		}
		if c.Rotating.Current.IsZero() && !*rotating {
			return hinted{fmt.Errorf("client %q has only an SSH key: a secret would be one more way in", c.Name),
				"--rotating gives it one all the same; for another key: sallyport client remove " + c.Name + ", then add"}
		}
		if err := r.rotateClient(cmd.Context(), std.out, c); err != nil {
			return fmt.Errorf("rotate the secret of client %q: %w", c.Name, err)
		}
		return nil
	}
	return cmd
}

func (r *rotation) rotateClient(ctx context.Context, w io.Writer, c *config.Client) error {
	old := ""
	if !c.Rotating.Current.IsZero() {
		old = config.Quote(c.Rotating.Current.Text())
	}
	settings := r.settings("rotating", config.Quote(newSecret().Text()), old)
	if err := r.change(ctx, w, c.Place, settings); err != nil {
		return err
	}
	fmt.Fprintf(w, "client %q has a new secret (%s)\n", c.Name, c.Place)
	r.tell(w, old, c.Rotating.PreviousUntil)
	fmt.Fprintf(w, "print its new profile: sallyport client profile %s --host HOST\n", c.Name)
	return nil
}
