//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/control"
)

// alteration changes one file of a configuration as a whole or not at all:
// nothing is written that the configuration would not accept, and what the
// daemon refuses is taken back.
type alteration struct {
	path    string // of the configuration
	confirm durationFlag
	force   bool
}

func (a *alteration) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.path, "config", "c", defaultConfig, "configuration `FILE`")
	_ = cmd.MarkFlagFilename("config", "toml") // cannot fail: the flag has just been defined
	cmd.Flags().Var(&a.confirm, "confirm", "roll back unless it is confirmed in this time, such as 60s")
	cmd.Flags().BoolVar(&a.force, "force", false, "even if it locks this session's source out")
}

// apply puts a text in the place of a file's; nil: the file is not there before,
// or not there afterwards.
func (a *alteration) apply(ctx context.Context, w io.Writer, file string, before, after []byte) error {
	cfg, err := a.preview(file, after)
	if err != nil {
		return fmt.Errorf("the new configuration is invalid; nothing was written: %w", err)
	}
	if err := a.put(file, before, after); err != nil {
		return advise(err)
	}
	q := control.ReloadRequest{Implied: a.confirm == 0, Force: a.force, Confirm: control.Duration(time.Duration(a.confirm))}
	if err := reloadWith(ctx, w, cfg, q); err != nil {
		return errors.Join(err, a.put(file, after, before))
	}
	return nil
}

// preview returns the configuration as it would be.
func (a *alteration) preview(file string, after []byte) (*config.Config, error) {
	if after == nil {
		return loadWithout(a.path, file)
	}
	return loadWith(a.path, file, after)
}

func (a *alteration) put(file string, before, after []byte) error {
	switch {
	case after == nil:
		return os.Remove(file)
	case before == nil:
		return writeBeside(a.path, file, after)
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	return replaceFile(real, before, after)
}

// doorFile returns the file that door add writes.
func doorFile(path, name string) (string, error) { return ownFile(path, "door", name) }

// ownFile returns the file that holds one client or door and nothing else.
func ownFile(path, kind, name string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the configuration: %w", err)
	}
	plain := name != "" && len(name) <= 32 && !strings.HasPrefix(name, ".") && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
	if !plain {
		return "", usageError{fmt.Errorf("%s name %q: want 1 to 32 of a-z, 0-9, dot, dash and underscore", kind, name)}
	}
	return filepath.Join(filepath.Dir(absolute), "conf.d", kind+"-"+name+".toml"), nil
}
