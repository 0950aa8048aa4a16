//go:build linux && !client_only

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every command line of ours in the documents, and in the examples of --help,
// is one that the program takes.
func TestCommandLinesInDocuments(t *testing.T) {
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines, mentions := commandLines(string(text))
		for _, words := range lines {
			if err := takes(words); err != nil {
				t.Errorf("%s: %q: %v", path, strings.Join(words, " "), err)
			}
		}
		for _, words := range mentions {
			if err := knows(words); err != nil {
				t.Errorf("%s: %q: %v", path, strings.Join(words, " "), err)
			}
		}
	}
}

func TestExamplesOfHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		lines, _ := commandLines("```\n" + cmd.Example + "\n```")
		for _, words := range lines {
			if err := takes(words); err != nil {
				t.Errorf("%s --help: %q: %v", cmd.CommandPath(), strings.Join(words, " "), err)
			}
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRoot(stdio{out: new(bytes.Buffer), err: new(bytes.Buffer)}))
}

func TestCommandLinesAreFound(t *testing.T) {
	const document = "Say `sallyport why\nalice`, `sallyport`, `client add --nokey` or `door`.\n\n" +
		"    sudo sallyport down --yes; bin/sallyport ssh gate   # sallyport never\n\n" +
		"```console\n# sallyport client add x \\\n    --key 'a b' > x.profile && A=b sallyport list\nclient \"x\": sallyport no\n```\n" +
		"1. do\n\n       ProxyCommand sallyport proxy office %h %p\n"
	lines, mentions := commandLines(document)
	if got := fmt.Sprintf("%q", lines); got != `[["down" "--yes"] ["ssh" "gate"] ["client" "add" "x" "--key" "a b"] ["list"] ["proxy" "office" "%h" "%p"]]` {
		t.Error(got)
	}
	if got := fmt.Sprintf("%q", mentions); got != `[["why" "alice"] ["client" "add" "--nokey"]]` {
		t.Error(got)
	}
	for _, wrong := range [][]string{{"stauts"}, {"client", "ad"}, {"knock", "--nothing"}, {"knock", "gate", "--for", "10x"}, {"add"}, {"reload", "--confirm"}} {
		if takes(wrong) == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	for _, wrong := range [][]string{{"stauts"}, {"client", "ad"}, {"client", "add", "--nokey"}, {"knock", "-Z"}} {
		if knows(wrong) == nil {
			t.Errorf("%q is known", wrong)
		}
	}
}

// documents are the texts for people who use or run the program.
func documents(t *testing.T) (list []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/ja/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	if len(list) < 10 {
		t.Fatalf("only %d documents", len(list))
	}
	return list
}

var (
	blocks    = regexp.MustCompile("(?m)^ *```(?s:.*?)^ *```|^(?: {4}|\t).*$") // with fences, and indented lines
	continued = regexp.MustCompile(`[ \t]*\\\n[ \t]*`)
	spans     = regexp.MustCompile("`([^`]+)`")
	shell     = regexp.MustCompile(`'([^']*)'|"([^"]*)"|(&&|[;|])|([12]?>+ *[^ ]+)|((?:^|\s)#.*)|([^\s;|>]+)`)
)

// commandLines returns the words after "sallyport" of every command in the blocks
// of a document, which are whole, and of those in its sentences, which may lack
// something.
func commandLines(document string) (lines, mentions [][]string) {
	whole := continued.ReplaceAllString(document, " ")
	for _, part := range blocks.FindAllString(whole, -1) {
		console := strings.HasPrefix(strings.TrimSpace(part), "```console")
		for line := range strings.Lines(part) {
			line = strings.TrimSpace(line)
			if prompted := strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "$ "); prompted && console {
				line = line[2:]
			} else if console {
				continue
			}
			for _, words := range simpleCommands(line) {
				if rest, ok := ours(words); ok {
					lines = append(lines, rest)
				}
			}
		}
	}
	for _, m := range spans.FindAllStringSubmatch(blocks.ReplaceAllString(document, ""), -1) {
		for _, words := range simpleCommands(m[1]) {
			if rest, ok := ours(words); ok && len(rest) > 0 {
				mentions = append(mentions, rest)
			} else if !ok && isCommand(words) {
				mentions = append(mentions, words)
			}
		}
	}
	return lines, mentions
}

// simpleCommands takes a line for a shell apart, as far as documents need it.
func simpleCommands(line string) (list [][]string) {
	var words []string
	for _, m := range shell.FindAllStringSubmatch(line, -1) {
		switch {
		case m[3] != "":
			list, words = append(list, words), nil
		case m[4] != "", m[5] != "":
		default:
			words = append(words, m[1]+m[2]+m[6])
		}
	}
	return append(list, words)
}

// ours returns the arguments of our program, if it is what a command runs.
func ours(words []string) ([]string, bool) {
	for len(words) > 0 && (words[0] == "sudo" || words[0] == "ProxyCommand" || strings.Contains(words[0], "=")) {
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "sallyport" && words[0] != "bin/sallyport" {
		return nil, false
	}
	return words[1:], true
}

// isCommand reports whether words in a sentence can be nothing but a command of
// ours: it has a subcommand, or flags.
func isCommand(words []string) bool {
	if len(words) < 2 {
		return false
	}
	root := newRoot(stdio{})
	cmd, rest, err := root.Find(words)
	if err != nil || cmd == root {
		return false
	}
	return cmd.Parent() != root || slices.ContainsFunc(rest, func(w string) bool { return strings.HasPrefix(w, "-") })
}

// takes reports what is wrong with a command line before anything is done.
func takes(words []string) error {
	root := newRoot(stdio{out: new(bytes.Buffer), err: new(bytes.Buffer)})
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 && cmd.Args != nil {
		return cmd.ValidateArgs(cmd.Flags().Args())
	}
	return errors.Join(cmd.ValidateArgs(cmd.Flags().Args()), cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups())
}

// knows reports which command or flag of a mention there is not.
func knows(words []string) error {
	root := newRoot(stdio{out: new(bytes.Buffer), err: new(bytes.Buffer)})
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		if err := cmd.ValidateArgs(rest); err != nil {
			return err
		}
	}
	cmd.InitDefaultHelpFlag()
	for _, w := range rest {
		if w == "--" {
			break
		}
		name, _, _ := strings.Cut(w, "=")
		var f *pflag.Flag
		switch {
		case strings.HasPrefix(name, "--"):
			f = cmd.Flags().Lookup(name[2:])
		case len(name) == 2 && name[0] == '-':
			f = cmd.Flags().ShorthandLookup(name[1:])
		default:
			continue
		}
		if f == nil {
			return fmt.Errorf("has no flag %s", name)
		}
	}
	return nil
}
