//go:build docs

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
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

// writeDocs writes man/*.1 and completions/*, as commands are now. The date in
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
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	listCommands(root)
	header := &doc.GenManHeader{Section: "1", Source: "Sallyport", Manual: "Sallyport", Date: &date}
	if err := doc.GenManTree(root, header, man); err != nil {
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

// listCommands adds to a description what it does not say in a manual page,
// other than in the help: the commands.
func listCommands(root *cobra.Command) {
	for _, g := range root.Groups() {
		root.Long += "\n\n" + g.Title + "\n"
		for _, c := range root.Commands() {
			if c.GroupID == g.ID && c.IsAvailableCommand() {
				root.Long += fmt.Sprintf("\n- **%s**: %s", c.Name(), c.Short)
			}
		}
	}
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
