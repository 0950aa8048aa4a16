//go:build docs

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/manual"
)

// addDocs adds the command that packages are built with, which the program
// itself has no use for: go run -tags docs ./cmd/sallyport docs FOLDER
func addDocs(root *cobra.Command) {
	root.AddCommand(&cobra.Command{
		Use:    "docs FOLDER",
		Short:  "Write the manual pages and the completions of three shells",
		Hidden: true,
		Args:   args(cobra.ExactArgs(1)),
		RunE:   func(_ *cobra.Command, dir []string) error { return writeDocs(root, dir[0]) },
	})
}

// writeDocs writes man/* and completions/*, as commands are now. The date in
// them is that of the source, so that the same source gives the same files.
func writeDocs(root *cobra.Command, dir string) error {
	date, err := sourceDate()
	if err != nil {
		return err
	}
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	for _, d := range []string{man, completions} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	root.InitDefaultCompletionCmd()
	if err := writePages(root, man, date); err != nil {
		return fmt.Errorf("write manual pages: %w", err)
	}
	for name, write := range map[string]func(string) error{
		"sallyport":      func(f string) error { return root.GenBashCompletionFileV2(f, true) },
		"_sallyport":     root.GenZshCompletionFile,
		"sallyport.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
	} {
		if err := write(filepath.Join(completions, name)); err != nil {
			return fmt.Errorf("write completion %q: %w", name, err)
		}
	}
	return nil
}

// writePages writes a page for each command, and where there is a server, that
// of its configuration.
func writePages(root *cobra.Command, dir string, date time.Time) error {
	for _, cmd := range manual.Commands(root) {
		err := writePage(filepath.Join(dir, manual.Of(cmd).File()), func(w io.Writer) error { return manual.WriteCommand(w, cmd, date) })
		if err != nil {
			return err
		}
	}
	if cmd, _, err := root.Find([]string{"check"}); err != nil || cmd.Hidden {
		return nil
	}
	return writePage(filepath.Join(dir, manual.ConfigurationPage.File()), func(w io.Writer) error {
		return manual.WriteConfiguration(w, config.Reference, date)
	})
}

func writePage(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// sourceDate is the time in SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/).
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q, want seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
