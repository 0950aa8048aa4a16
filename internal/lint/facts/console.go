//go:build linux

package facts

import (
	"errors"
	"io/fs"

	"sallyport/internal/config"
	"sallyport/internal/lint"
)

// console reads the configuration of the console, if it has one. Who may not read it does
// not judge it.
func console(fsys fs.FS, path string) *lint.Console {
	if _, err := fs.Stat(fsys, path[1:]); err != nil {
		return nil
	}
	cfg, err := config.LoadConsole(fsys, path)
	var mistakes config.Errors
	switch {
	case err == nil:
		return &lint.Console{Path: path, Socket: cfg.Socket, Origin: cfg.Origin}
	case errors.Is(err, fs.ErrPermission) || !errors.As(err, &mistakes):
		return nil
	}
	return &lint.Console{Path: path, Mistakes: mistakes}
}
