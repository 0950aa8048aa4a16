//go:build linux && !client_only

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/phrase"
	"sallyport/internal/sequence"
)

// rotation is a change of one secret in the configuration.
type rotation struct {
	path string // of the configuration
	keep durationFlag
	now  time.Time
}

func (r *rotation) flags(cmd *cobra.Command, what string) {
	cmd.Flags().StringVarP(&r.path, "config", "c", defaultConfig, "configuration `FILE`")
	_ = cmd.MarkFlagFilename("config", "toml") // cannot fail: the flag has just been defined
	r.keep = durationFlag(defaultOverlap)
	cmd.Flags().Var(&r.keep, "keep", "how long the old "+what+" works too, such as 12h or 30d; 0s: not at all")
}

// maxKeep is the longest time for which an old secret or key stays good.
const maxKeep = 10 * 365 * 24 * time.Hour

// checkKeep refuses what is no time for an old secret.
func checkKeep(keep durationFlag) error {
	if time.Duration(keep) > maxKeep {
		return usageError{fmt.Errorf("--keep %s: want at most %s", keep.String(), phrase.Duration(maxKeep))}
	}
	return nil
}

// newSecret makes a secret of 160 random bits.
func newSecret() sequence.Secret {
	var random [20]byte
	_, _ = rand.Read(random[:]) // never fails
	return sequence.NewSecret(random)
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
	return (&alteration{path: r.path}).apply(ctx, w, at.File, before, after)
}

// defaultOverlap is how long the secret before a rotation works.
const defaultOverlap = 14 * 24 * time.Hour
