//go:build linux && !client_only

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

func newConfigSet(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set KEY VALUE",
		Short: "Change one value, keep the comments, and have the daemon use it",
		Long: `Writes VALUE where KEY stands, or adds it to its table. VALUE is TOML, or what TOML would have in quotes; several
words of a list have commas between them. An empty VALUE takes the key out, so that its default counts.`,
		Example: `  sallyport config set door.ssh.open_for 1m
  sallyport config set gate.trusted 192.168.1.0/24 --confirm 60s
  sallyport config set client.alice.doors ssh,web`,
		Args: args(cobra.ExactArgs(2)),
	}
	var a alteration
	a.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		s, err := findSetting(a.path, list[0])
		if err != nil {
			return err
		}
		after, err := a.accepted(s, list[1])
		if err != nil {
			return fmt.Errorf("set %s: %w", list[0], err)
		}
		if string(after) == string(s.text) {
			fmt.Fprintf(std.out, "%s is that already (%s)\n", list[0], s.file)
			return nil
		}
		if err := a.apply(cmd.Context(), std.out, s.file, s.text, after); err != nil {
			return fmt.Errorf("set %s: %w", list[0], err)
		}
		fmt.Fprintf(std.out, "%s is set (%s)\n", list[0], s.file)
		return nil
	}
	return cmd
}

// accepted returns the file with the first way to write a value that the
// configuration accepts: as it is, as a text, as a list of texts. If none is, the
// error is that of the way in which the value was most likely meant.
func (a *alteration) accepted(s *setting, value string) ([]byte, error) {
	var first error
	for _, form := range forms(value) {
		after, err := s.with(form)
		if err != nil {
			return nil, err
		}
		if _, err = loadWith(a.path, s.file, after); err == nil {
			return after, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, fmt.Errorf("the new configuration is invalid; nothing was written: %w", first)
}

// forms are the ways to write a value in TOML, the likeliest first.
func forms(value string) []string {
	if value == "" {
		return []string{""}
	}
	words := strings.Split(value, ",")
	for i, w := range words {
		words[i] = config.Quote(strings.TrimSpace(w))
	}
	asList := "[" + strings.Join(words, ", ") + "]"
	text := config.Quote(value)
	switch {
	case strings.ContainsAny(value[:1], `"'[{`):
		return []string{value}
	case len(words) > 1:
		return []string{asList, text}
	case value == "true" || value == "false" || strings.Trim(value, "0123456789") == "":
		return []string{value, text, asList}
	}
	return []string{text, asList, value}
}
