package manual

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Commands are those that have a page: all that are shown, but for help.
func Commands(root *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" && c.Parent().Name() != "completion" {
			list = append(list, Commands(c)...)
		}
	}
	return list
}

// Of is the page of a command: in section 8 if it is for the server, as all of
// its subcommands are, else in section 1.
func Of(cmd *cobra.Command) Page {
	p := Page{strings.ReplaceAll(cmd.CommandPath(), " ", "-"), 1}
	if group(cmd) == "server" {
		p.Section = 8
	}
	return p
}

// group is that of the command or of the one that it belongs to.
func group(cmd *cobra.Command) string {
	for ; cmd != nil; cmd = cmd.Parent() {
		if cmd.GroupID != "" {
			return cmd.GroupID
		}
	}
	return ""
}

// WriteCommand writes the page of a command.
func WriteCommand(w io.Writer, cmd *cobra.Command, date time.Time) error {
	s := &sheet{w: w}
	s.title(Of(cmd), date, cmd.Short)
	s.section("SYNOPSIS")
	s.synopsis(cmd)
	s.section("DESCRIPTION")
	if cmd.Long == "" {
		s.prose(cmd.Short + ".")
	} else {
		s.prose(cmd.Long)
	}
	s.commands(cmd)
	s.options(cmd)
	a := aboutOf(cmd)
	s.terms("EXIT STATUS", a.exit)
	s.terms("FILES", a.files)
	s.terms("ENVIRONMENT", a.environment)
	if cmd.Example != "" {
		s.section("EXAMPLES")
		s.example(trimmed(cmd.Example))
	}
	s.seeAlso(cmd)
	return s.err
}

// synopsis is the usage, the command bold and the placeholders as they are.
func (s *sheet) synopsis(cmd *cobra.Command) {
	usage := strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath())
	s.line("%s%s", bold(cmd.CommandPath()), italicWords(strings.Replace(usage, "[flags]", "[OPTION ...]", 1)))
	if hasSubcommands(cmd) {
		s.line(".br\n%s %s [%s ...]", bold(cmd.CommandPath()), italic("COMMAND"), italic("ARGUMENT"))
	}
}

// italicWords sets placeholders, which are in capitals, in italics.
func italicWords(usage string) string {
	var b strings.Builder
	for usage != "" {
		n := strings.IndexFunc(usage, isCapital)
		if n < 0 {
			break
		}
		b.WriteString(escape(usage[:n]))
		usage = usage[n:]
		end := strings.IndexFunc(usage, func(r rune) bool { return !isCapital(r) })
		if end < 0 {
			end = len(usage)
		}
		b.WriteString(italic(usage[:end]))
		usage = usage[end:]
	}
	return b.String() + escape(usage)
}

func isCapital(r rune) bool { return r >= 'A' && r <= 'Z' }

func hasSubcommands(cmd *cobra.Command) bool { return len(Commands(cmd)) > 1 }

// commands lists the subcommands, by their groups.
func (s *sheet) commands(cmd *cobra.Command) {
	if !hasSubcommands(cmd) {
		return
	}
	s.section("COMMANDS")
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			s.item(Of(c).reference(), c.Short+".")
		}
	}
}

func (s *sheet) options(cmd *cobra.Command) {
	s.section("OPTIONS")
	cmd.InitDefaultHelpFlag()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		term := bold("--" + f.Name)
		if f.Shorthand != "" {
			term = bold("-"+f.Shorthand) + ", " + term
		}
		if name != "" {
			term += " " + italic(name)
		}
		if f.Name == "help" {
			usage = "print what the command does"
		}
		if shown(f) {
			usage += " (default: " + strings.Trim(f.DefValue, "[]") + ")"
		}
		s.item(term, capital(usage)+".")
	})
}

// shown reports whether a flag has a default worth a word.
func shown(f *pflag.Flag) bool {
	switch f.DefValue {
	case "", "false", "0", "[]":
		return false
	}
	return true
}

// terms writes a section of items.
func (s *sheet) terms(name string, list []term) {
	if len(list) == 0 {
		return
	}
	s.section(name)
	for _, t := range list {
		s.item(bold(t.name), t.meaning)
	}
}

// seeAlso names the pages around this one.
func (s *sheet) seeAlso(cmd *cobra.Command) {
	var list []string
	for _, p := range related(cmd) {
		list = append(list, p.reference())
	}
	if len(list) > 0 {
		s.section("SEE ALSO")
		s.line("%s", strings.Join(list, ",\n"))
	}
}

func trimmed(text string) []string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return lines
}

func capital(text string) string {
	if text == "" || text[0] < 'a' || text[0] > 'z' {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
