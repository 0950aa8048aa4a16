//go:build linux && !client_only

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func newConfigEdit(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "edit [FILE]",
		Short: "Change the configuration in an editor; it is checked before it counts",
		Long: `Opens a copy of the main file, or of a FILE in conf.d, in the editor that VISUAL or EDITOR names. What you
save is checked as a whole. With a mistake nothing is written, and on a terminal you may go on editing.`,
		Example: "  sallyport config edit\n  sallyport config edit conf.d/client-alice.toml --confirm 60s",
		Args:    args(cobra.MaximumNArgs(1)),
	}
	var a alteration
	a.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		file, err := filepath.Abs(a.path)
		if err != nil {
			return fmt.Errorf("find the configuration: %w", err)
		}
		if len(list) > 0 {
			file = filepath.Join(filepath.Dir(file), "conf.d", filepath.Base(list[0]))
		}
		return a.edit(cmd.Context(), std, file)
	}
	return cmd
}

// edit lets a person change a copy until it is good, or given up.
func (a *alteration) edit(ctx context.Context, std stdio, file string) error {
	before, err := os.ReadFile(file)
	if err != nil {
		return advise(err)
	}
	// Beside the file, since it may hold secrets; a name with a dot is not read.
	draft, err := os.CreateTemp(filepath.Dir(file), ".edit-*.toml")
	if err != nil {
		return advise(fmt.Errorf("make a copy to edit, beside the file: %w", err))
	}
	defer os.Remove(draft.Name())
	if _, err = draft.Write(before); errors.Join(err, draft.Close()) != nil {
		return fmt.Errorf("write a copy to edit: %w", err)
	}
	for {
		after, err := edited(ctx, std, draft.Name())
		if err != nil {
			return err
		}
		if bytes.Equal(before, after) {
			fmt.Fprintln(std.out, "nothing has changed")
			return nil
		}
		err = a.apply(ctx, std.out, file, before, after)
		if err == nil {
			fmt.Fprintf(std.out, "%s is changed\n", file)
			return nil
		}
		if !std.asks() {
			return err
		}
		printError(std.err, err)
		again := true
		if err := newDialog(ctx, std).ask("Edit again?", "[Y/n]", func(answer string) error {
			again = answer == "" || strings.HasPrefix(strings.ToLower(answer), "y")
			return nil
		}); err != nil || !again {
			return errors.Join(err, errSilent)
		}
	}
}

// edited runs the editor on a file and returns what it leaves.
func edited(ctx context.Context, std stdio, file string) ([]byte, error) {
	words := strings.Fields(editor())
	defer lend(ctx)()
	cmd := gently(exec.CommandContext(ctx, words[0], append(words[1:], file)...))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = std.in, direct(std.out), std.err
	if err := cmd.Run(); err != nil {
		return nil, hinted{fmt.Errorf("run the editor %s: %w; nothing was written", words[0], programProblem(err)), "name another editor with EDITOR"}
	}
	return os.ReadFile(file)
}

// editor is the person's editor, or Debian's choice, or vi, which POSIX has.
func editor() string {
	for _, name := range []string{os.Getenv("VISUAL"), os.Getenv("EDITOR")} {
		if strings.TrimSpace(name) != "" {
			return name
		}
	}
	if path, err := exec.LookPath("editor"); err == nil {
		return path
	}
	return "vi"
}
