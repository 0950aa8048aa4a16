//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/convert"
	"sallyport/internal/inert"
)

// addition makes what was imported a part of the configuration that is there.
type addition struct {
	alteration
	add, dryRun bool
}

func (a *addition) flags(cmd *cobra.Command) {
	a.alteration.flags(cmd)
	cmd.Flags().BoolVar(&a.add, "add", false, "put it into the configuration, in a file of its own in conf.d")
	cmd.Flags().BoolVar(&a.dryRun, "dry-run", false, "with --add: print what would be added, and change nothing")
}

// check refuses flags that mean nothing without --add.
func (a *addition) check(cmd *cobra.Command) error {
	for _, name := range []string{"dry-run", "confirm", "force"} {
		if cmd.Flags().Changed(name) && !a.add {
			return usageError{fmt.Errorf("--%s goes with --add", name)}
		}
	}
	return nil
}

// into returns the configuration that the result is for; nil if there is none, or
// none that can be read, which matters to nobody who only wants to look.
func (a *addition) into(w io.Writer, program string) (*convert.Into, error) {
	main, err := filepath.Abs(a.path)
	if err != nil {
		return nil, fmt.Errorf("find the configuration: %w", err)
	}
	file := filepath.Join(filepath.Dir(main), "conf.d", program+".toml")
	if a.add && exists(file) {
		return nil, hinted{fmt.Errorf("%s is there already: it was imported before", file), "change it with sallyport config edit, or remove it first"}
	}
	cfg, err := loadConfig(main)
	if err == nil && exists(file) {
		cfg, err = loadWithout(main, file)
	}
	switch {
	case err == nil:
		load := func(text string) (*config.Config, error) { return loadWith(main, file, []byte(text)) }
		return &convert.Into{Config: cfg, Path: file, Load: load}, nil
	case a.add:
		return nil, advise(err)
	case !exists(main):
		return nil, nil
	}
	fmt.Fprintf(w, "the configuration %s cannot be read, so this is made for an empty one\n", inert.Text(main))
	return nil, nil
}

// adds returns an error if nothing of a result would be added.
func (a *addition) adds(r convert.Result) error {
	if a.add && r.Doors+r.Clients == 0 {
		return hinted{errors.New("there is nothing to add: all of it became comments"),
			"they have the commands that change the doors which are there; the same without --add prints them"}
	}
	return nil
}

// write adds a result to the configuration, and has the daemon use it.
func (a *addition) write(ctx context.Context, w io.Writer, r convert.Result) error {
	if err := a.apply(ctx, w, r.Path, nil, []byte(importText(r))); err != nil {
		return fmt.Errorf("add it: %w", err)
	}
	fmt.Fprintf(w, "written to %s: read what it says\n", r.Path)
	return nil
}
