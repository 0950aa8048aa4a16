package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
)

// defaultOverlap is how long the secret before a rotation works.
const defaultOverlap = 14 * 24 * time.Hour

// rotation is a change of one secret in the configuration.
type rotation struct {
	path string // of the configuration
	keep dayFlag
	now  time.Time
}

func (r *rotation) flags(cmd *cobra.Command, what string) {
	cmd.Flags().StringVarP(&r.path, "config", "c", defaultConfig, "configuration `FILE`")
	_ = cmd.MarkFlagFilename("config", "toml") // cannot fail: the flag has just been defined
	r.keep = dayFlag(defaultOverlap)
	cmd.Flags().Var(&r.keep, "keep", "how long the old "+what+" works too, such as 12h or 30d; 0s: not at all")
}

func newClientRotate(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Give a client a new secret for rotating sequences",
		Long: `Writes a new secret where the client is defined, and has the daemon take it into use. The old one works
for a while, in which the client must get its new profile. A client without a secret gets its first one.
The client's SSH key stays as it is: the client replaces that itself.`,
		Example: "  sallyport client rotate alice --keep 7d\n  sallyport client profile alice --host gate.example.org --qr",
		Args:    args(cobra.ExactArgs(1)),
	}
	var r rotation
	r.flags(cmd, "secret")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		r.now = time.Now()
		cfg, err := loadConfig(r.path)
		if err != nil {
			return advise(err)
		}
		c := findClient(cfg, list[0])
		if c == nil {
			return hinted{fmt.Errorf("there is no client %q", list[0]), "sallyport client list shows them"}
		}
		if err := r.rotateClient(cmd.Context(), std.out, c); err != nil {
			return fmt.Errorf("rotate the secret of client %q: %w", c.Name, err)
		}
		return nil
	}
	return cmd
}

// newSecret makes a secret of 160 random bits.
func newSecret() sequence.Secret {
	var random [20]byte
	_, _ = rand.Read(random[:]) // never fails
	return sequence.NewSecret(random)
}

func (r *rotation) rotateClient(ctx context.Context, w io.Writer, c *config.Client) error {
	old := ""
	if !c.Rotating.Current.IsZero() {
		old = strconv.Quote(c.Rotating.Current.Text())
	}
	settings := r.settings("rotating", strconv.Quote(newSecret().Text()), old)
	if err := r.change(ctx, w, c.Place, settings); err != nil {
		return err
	}
	fmt.Fprintf(w, "client %q has a new secret (%s)\n", c.Name, c.Place)
	r.tell(w, old, c.Rotating.PreviousUntil)
	fmt.Fprintf(w, "print its new profile: sallyport client profile %s --host HOST\n", c.Name)
	return nil
}

func newDoor(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "door",
		Short:   "Change doors on the server",
		GroupID: "server",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDoorRotate(std))
	return cmd
}

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
		r.now = time.Now()
		cfg, err := loadConfig(r.path)
		if err != nil {
			return advise(err)
		}
		d := cfg.Door(list[0])
		if d == nil {
			return hinted{fmt.Errorf("there is no door %q", list[0]), "sallyport status shows them"}
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

// newSequence picks knocks on ports that nothing on this host or in the
// configuration uses.
func newSequence(cfg *config.Config) ([]packet.Port, error) {
	h, err := lookAround()
	if err != nil {
		return nil, err
	}
	take := func(list []packet.Port) {
		for _, p := range list {
			h.taken[p] = true
		}
	}
	take(cfg.Gate.Public)
	take([]packet.Port{{Proto: packet.UDP, Number: cfg.SPA.Port}})
	for _, d := range cfg.Doors {
		take(slices.Concat(d.Ports, d.Sequence, d.Previous))
	}
	return (&setup{host: h}).sequence()
}

func tomlPorts(list []packet.Port) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return "[" + quoted(words) + "]"
}

// until is when the old secret ends.
func (r *rotation) until() time.Time {
	return r.now.Add(time.Duration(r.keep)).UTC().Truncate(time.Second)
}

// settings puts a new value in the place of an old one, which may be empty.
func (r *rotation) settings(key, value, old string) []config.Setting {
	until := ""
	if old == "" || r.keep == 0 {
		old = ""
	} else {
		until = r.until().Format(time.RFC3339)
	}
	return []config.Setting{
		{Key: key, Value: value},
		{Key: key + "_previous", Value: old}, {Key: key + "_previous_until", Value: until},
		{Key: "changed", Value: r.now.UTC().Format(time.DateOnly)},
	}
}

// tell says what becomes of the old secrets.
func (r *rotation) tell(w io.Writer, old string, before time.Time) {
	switch {
	case old == "":
	case r.keep == 0:
		fmt.Fprintln(w, "the old one no longer works")
	default:
		fmt.Fprintf(w, "the old one works until %s\n", r.until().Local().Format(time.DateTime))
	}
	if before.After(r.now) {
		fmt.Fprintf(w, "the one before it was to work until %s, and no longer does\n", before.Local().Format(time.DateTime))
	}
}

// change edits the file in which something is defined, if the configuration is
// good with it, and has it used; else the file stays as it was.
func (r *rotation) change(ctx context.Context, w io.Writer, at config.Place, settings []config.Setting) error {
	file, err := filepath.EvalSymlinks(at.File)
	if err != nil {
		return advise(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		return advise(err)
	}
	after, err := config.Edit(before, at.Line, settings...)
	if err != nil {
		return fmt.Errorf("%s %w", at, err)
	}
	cfg, err := loadWith(r.path, at.File, after)
	if err != nil {
		return fmt.Errorf("the configuration would not be good, so nothing was written: %w", err)
	}
	if err := replaceFile(file, before, after); err != nil {
		return advise(err)
	}
	if err := reloadIfRunning(ctx, w, cfg, false); err != nil {
		return errors.Join(err, replaceFile(file, after, before))
	}
	return nil
}

// replaceFile puts a new text in the place of one in a file, with its owner and
// mode, as a whole or not at all.
func replaceFile(path string, before, after []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".rotate-*")
	if err != nil {
		return err
	}
	_, err = f.Write(after)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err == nil {
		err = keepOwner(f.Name(), info)
	}
	if now, unread := os.ReadFile(path); err == nil && (unread != nil || !bytes.Equal(now, before)) {
		err = errors.Join(unread, fmt.Errorf("%s has been changed by somebody else: try again", path))
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
