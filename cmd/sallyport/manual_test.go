//go:build linux && !client_only

package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/internal/config"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/manual"
)

// manualPages are all pages, by file.
func manualPages(t *testing.T) map[string]string {
	t.Helper()
	root := newRoot(stdio{})
	root.InitDefaultCompletionCmd()
	date := time.Unix(1_700_000_000, 0)
	pages := make(map[string]string)
	for _, cmd := range manual.Commands(root) {
		var b bytes.Buffer
		if err := manual.WriteCommand(&b, cmd, date); err != nil {
			t.Fatal(err)
		}
		pages[manual.Of(cmd).File()] = b.String()
	}
	var b bytes.Buffer
	if err := manual.WriteConfiguration(&b, config.Reference, date); err != nil {
		t.Fatal(err)
	}
	pages[manual.ConfigurationPage.File()] = b.String()
	return pages
}

var overstrike = regexp.MustCompile(`.\x08`)

// groff has nothing to complain of, and every line fits a terminal of 80 columns.
func TestManualPagesAreWellFormed(t *testing.T) {
	labtest.Need(t, "peers", "groff")
	for name, page := range manualPages(t) {
		cmd := exec.Command("groff", "-K", "utf8", "-ww", "-man", "-Tutf8", "-rLL=78n", "-P-cbou")
		cmd.Stdin = strings.NewReader(page)
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		text, err := cmd.Output()
		if err != nil || complaints.Len() > 0 {
			t.Errorf("%s: %v\n%s", name, err, complaints.String())
		}
		for _, line := range strings.Split(overstrike.ReplaceAllString(string(text), ""), "\n") {
			if len([]rune(line)) > 80 {
				t.Errorf("%s: a line of %d columns: %s", name, len([]rune(line)), line)
			}
		}
	}
}

// Each page has its section, its flags, and what a reader looks for.
func TestManualPagesAreWhole(t *testing.T) {
	pages := manualPages(t)
	for _, name := range []string{"sallyport.1", "sallyport-knock.1", "sallyport-completion.1", "sallyport-serve.8", "sallyport-client-add.8", "sallyport.toml.5"} {
		if pages[name] == "" {
			t.Errorf("there is no page %s", name)
		}
	}
	root := newRoot(stdio{})
	root.InitDefaultCompletionCmd()
	for _, cmd := range manual.Commands(root) {
		page := pages[manual.Of(cmd).File()]
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"} {
			if !strings.Contains(page, "\n.SH "+section+"\n") && !(cmd == root && section == "SEE ALSO") {
				t.Errorf("%s has no section %s", cmd.CommandPath(), section)
			}
		}
		if cmd.Flags().Lookup("config") != nil && !strings.Contains(page, "\n.SH FILES\n") {
			t.Errorf("%s has no section FILES", cmd.CommandPath())
		}
		if cmd.Example != "" && !strings.Contains(page, "\n.SH EXAMPLES\n") {
			t.Errorf("%s has no section EXAMPLES", cmd.CommandPath())
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(page, `\fB`+strings.ReplaceAll("--"+f.Name, "-", `\-`)+`\fR`) {
				t.Errorf("%s does not name --%s", cmd.CommandPath(), f.Name)
			}
		})
	}
}

// Every key and every table of the reference has its place in sallyport.toml(5).
func TestManualHasEveryKey(t *testing.T) {
	page := manualPages(t)["sallyport.toml.5"]
	keys := 0
	for _, line := range strings.Split(config.Reference, "\n") {
		if name, _, found := strings.Cut(line, " = "); found && !strings.HasPrefix(line, "#") {
			keys++
			if !strings.Contains(page, `\fB`+name+`\fR = `) {
				t.Errorf("no key %q", name)
			}
		}
		if strings.HasPrefix(line, "[") && !strings.Contains(page, "\n.SH "+line+"\n") {
			t.Errorf("no section %s", line)
		}
	}
	if keys < 90 {
		t.Errorf("%d keys are read from the reference, want all", keys)
	}
}

// Every variable of the environment that commands read is described.
func TestManualHasTheEnvironment(t *testing.T) {
	all := ""
	for _, page := range manualPages(t) {
		all += page
	}
	for _, name := range []string{"NO_COLOR", "TERM", "SSH_AUTH_SOCK", "SSH_CONNECTION", "XDG_CONFIG_HOME", "VISUAL", "EDITOR", "SUDO_USER",
		"STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM", "LC_ALL", "LANG"} {
		if !strings.Contains(all, name) {
			t.Errorf("no page describes %s", name)
		}
	}
}

var (
	placeholder = regexp.MustCompile(`^[A-Z][A-Z=:/a-z]*$`)
	takesMany   = regexp.MustCompile(`(?i)array|slice`)
)

// The help of all commands is of one kind: an imperative line, an example, and
// values with names in capitals.
func TestHelpIsOfOneKind(t *testing.T) {
	for _, cmd := range manual.Commands(newRoot(stdio{})) {
		path := cmd.CommandPath()
		if first, _, _ := strings.Cut(cmd.Short, " "); path != "sallyport" && strings.HasSuffix(first, "s") || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q is not of the kind %q", path, cmd.Short, "Show what has happened")
		}
		if first, _, _ := strings.Cut(cmd.Long, " "); cmd.HasParent() && strings.EqualFold(first, cmd.Name()) {
			t.Errorf("%s: the description begins with the command's own name", path)
		}
		if cmd.HasParent() && !strings.Contains(cmd.Example, "sallyport "+strings.TrimPrefix(path, "sallyport ")) && !strings.Contains(cmd.Example, path+" ") {
			t.Errorf("%s has no example", path)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { helpOfFlag(t, cmd, f) })
	}
}

func helpOfFlag(t *testing.T, cmd *cobra.Command, f *pflag.Flag) {
	name, usage := pflag.UnquoteUsage(f)
	if f.Value.Type() != "bool" && f.Name != "help" && !placeholder.MatchString(name) {
		t.Errorf("%s --%s: its value is called %q, want a word in capitals", cmd.CommandPath(), f.Name, name)
	}
	if takesMany.MatchString(f.Value.Type()) && f.Value.Type() != "stringSlice" && !strings.Contains(usage, "may be repeated") && f.Name != "door" {
		t.Errorf("%s --%s: the help does not say that it may be repeated", cmd.CommandPath(), f.Name)
	}
}
