//go:build linux && !client_only

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

func newConfig(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Show and change the configuration without an editor, or with one",
		GroupID: "server",
		Long: `A KEY is SECTION.KEY, door.NAME.KEY, client.NAME.KEY or group.NAME.KEY, such as gate.policy or door.ssh.open_for.
What changes is checked as a whole first, and comments are kept.`,
		Example: "  sallyport config get gate.policy\n  sallyport config set door.ssh.open_for 1m",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigShow(std), newConfigGet(std), newConfigSet(std), newConfigEdit(std))
	return cmd
}

func (s *setting) findNamed(path string) (err error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return advise(err)
	}
	var at config.Place
	switch s.kind {
	case "door":
		d := cfg.Door(s.name)
		if d == nil {
			return noDoor(cfg, s.name)
		}
		at = d.Place
	case "client":
		c := findClient(cfg, s.name)
		if c == nil {
			return noClient(cfg, s.name)
		}
		at = c.Place
	case "group":
		i := slices.IndexFunc(cfg.Groups, func(g config.Group) bool { return g.Name == s.name })
		if i < 0 {
			return fmt.Errorf("there is no group %q", s.name)
		}
		at = cfg.Groups[i].Place
	}
	s.file, s.line = at.File, at.Line
	s.text, err = os.ReadFile(at.File)
	return advise(err)
}

// findSection looks for a section in all files. One that is nowhere belongs to
// the main file.
func (s *setting) findSection(path string) error {
	main, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("find the configuration: %w", err)
	}
	files, err := config.Files(os.DirFS("/"), main)
	if err != nil {
		return advise(err)
	}
	for _, f := range slices.Backward(files) { // the main file last, which stays if none has it
		s.file = f
		if s.text, err = os.ReadFile(f); err != nil {
			return advise(err)
		}
		if s.line = config.Section(s.text, s.kind); s.line != 0 {
			return nil
		}
	}
	return nil
}

// with returns the text of the file with a value for the key.
func (s *setting) with(value string) ([]byte, error) {
	if s.line == 0 {
		text := slices.Clone(s.text)
		if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
			text = append(text, '\n')
		}
		return fmt.Appendf(text, "\n[%s]\n%s = %s\n", s.kind, s.key, value), nil
	}
	after, err := config.Edit(s.text, s.line, config.Setting{Key: s.key, Value: value})
	if err != nil {
		return nil, fmt.Errorf("%s:%d %w", s.file, s.line, err)
	}
	return after, nil
}
