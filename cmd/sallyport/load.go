//go:build !client_only

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

// loadConfig reads a configuration and adds advice to what can go wrong.
func loadConfig(path string) (*config.Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the configuration: %w", err)
	}
	cfg, err := config.Load(os.DirFS("/"), absolute)
	if errors.Is(err, fs.ErrNotExist) && !exists(absolute) {
		return nil, noConfig(absolute)
	}
	return cfg, advise(err)
}

// noConfig is a configuration that is not there: the usual one, because nobody
// has made one yet; another, because of its name.
func noConfig(path string) error {
	hint := "sallyport init makes one, and asks what it should guard; -c FILE names another"
	if path != defaultConfig {
		hint = "look at the name after -c; without -c it is " + defaultConfig
	}
	return hinted{fmt.Errorf("there is no configuration %s", path), hint}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// advise adds the usual remedy to a failure of the file system, unless there is
// one already.
func advise(err error) error {
	var file *fs.PathError
	switch {
	case errors.As(err, new(interface{ Hint() string })):
	case errors.Is(err, fs.ErrPermission):
		return hinted{err, permissionHint(err, os.Geteuid(), lackingRights())}
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &file) && strings.HasPrefix(file.Path, "/proc/sys/"):
		return hinted{err, "the kernel shows it where /proc is mounted whole: mount it (mount -t proc proc /proc), or run sallyport outside of this container"}
	}
	return err
}

// permissionHint says what helps against a refusal. Root is refused where it has
// fewer rights than its name promises, as in a container.
func permissionHint(err error, uid int, lacking []string) string {
	switch {
	case uid != 0:
		return "run it as root (sudo)"
	case errors.As(err, new(*fs.PathError)):
		return "root is refused, too: look at what the container may do with this file, and at its attributes (lsattr)"
	case len(lacking) > 0:
		grant := ""
		for _, right := range lacking {
			grant += " --cap-add " + strings.TrimPrefix(right, "CAP_")
		}
		return fmt.Sprintf("root lacks %s here: give it to the container where that is started (docker run%s), or run sallyport on the host",
			strings.Join(lacking, " and "), grant)
	}
	return "root is refused, too: its rights end at its container, which uses the network of its host; run sallyport there, or give the container a network of its own"
}

// defaultConfig is where the configuration is unless a flag says otherwise.
const defaultConfig = config.DefaultPath

// configFlag adds -c to a command.
func configFlag(cmd *cobra.Command) *string {
	path := cmd.Flags().StringP("config", "c", defaultConfig, "configuration `FILE`")
	_ = cmd.MarkFlagFilename("config", "toml") // cannot fail: the flag has just been defined
	return path
}
