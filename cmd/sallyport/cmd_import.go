//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/convert"
	"sallyport/internal/inert"
	"sallyport/internal/lint"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
	"sallyport/internal/setup"
)

func newImport(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "import",
		Short:   "Make a configuration from one of knockd or fwknop",
		GroupID: "server",
		Long: `Prints our configuration, with comments for everything that could not be carried over, and why; behind it, what
"sallyport check" would say. Nothing is closed by that. Where there is a configuration already, what is printed fits
to it: what is there stays as it is, a name that is taken becomes another one, and what would be refused is a comment.

Read it, then say --add: that writes conf.d/knockd.toml or conf.d/fwknop.toml and has the daemon use it. Or save it with
-o, which makes a file that the daemon may read and nobody else.`,
		Example: `  sallyport import knockd /etc/knockd.conf
  sudo sallyport import knockd /etc/knockd.conf \
      --add --dry-run
  sudo sallyport import knockd /etc/knockd.conf \
      --add --confirm 2m`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newImportOf(std, "knockd FILE|-", "Make doors with sequences from a knockd.conf",
			"  sallyport import knockd /etc/knockd.conf\n  sudo sallyport import knockd /etc/knockd.conf --add --confirm 2m", func(text string, into *convert.Into) (convert.Result, error) {
				return convert.Knockd(text, freeSequences(), into)
			}),
		newImportOf(std, "fwknop FILE|-", "Make doors from an access.conf, and a list of the clients to add",
			"  sudo sallyport import fwknop /etc/fwknop/access.conf\n  sudo sallyport import fwknop /etc/fwknop/access.conf --add --confirm 2m", convert.Fwknop),
		newImportSequences(std),
	)
	return cmd
}

func newImportOf(std stdio, use, short, example string, read func(string, *convert.Into) (convert.Result, error)) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: example, Args: args(cobra.ExactArgs(1))}
	var a addition
	a.flags(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print an object with the text, the notes and the problems")
	out := outFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("json", "out", "add")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if err := a.check(cmd); err != nil {
			return err
		}
		into, err := a.into(std.err, strings.Fields(use)[0])
		if err != nil {
			return err
		}
		r, err := imported(std.in, list[0], func(text string) (convert.Result, error) { return read(text, into) })
		switch {
		case err != nil:
			return err
		case *asJSON:
			printImportJSON(std.out, r)
			return nil
		case a.add && !a.dryRun:
			if err = a.adds(r); err == nil {
				err = a.write(cmd.Context(), std.out, r)
			}
		default:
			err = errors.Join(save(std.out, *out, importText(r)), a.adds(r))
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(std.err, "%s imported; %s to read\n", importedText(r), phrase.Count(len(r.Notes), "note"))
		if a.dryRun {
			fmt.Fprintf(std.err, "nothing was written; without --dry-run this would be %s\n", r.Path)
		}
		return nil
	}
	return cmd
}

// importedText counts what has become of a file.
func importedText(r convert.Result) string {
	text := phrase.Count(r.Doors, "door")
	if r.Clients > 0 {
		text += " and " + phrase.Count(r.Clients, "client")
	}
	return text
}

func outFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("out", "o", "", "write to a new `FILE`, with the owner of its folder, instead of printing")
}

// save writes a new file, which belongs to whom its folder belongs, or prints.
func save(w io.Writer, file, text string) error {
	if file == "" {
		_, err := io.WriteString(w, text)
		return err
	}
	err := writeBeside(filepath.Dir(file), file, []byte(text))
	if errors.Is(err, fs.ErrExist) {
		return hinted{fmt.Errorf("write %s: it is there already", file), "name another file, or remove it first"}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// maxImport is more than package convert reads.
const maxImport = 2 << 20

// imported reads a file, or standard input, and converts it.
func imported[T any](in io.Reader, name string, read func(string) (T, error)) (result T, err error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return result, err
		}
		defer f.Close()
		in = f
	} else {
		name = "standard input"
	}
	data, err := io.ReadAll(io.LimitReader(in, maxImport))
	if err == nil {
		result, err = read(string(data))
	}
	if err != nil {
		err = fmt.Errorf("import %s: %w", name, err)
	}
	return result, err
}

// flaw is what the linter says about a line of what is printed.
type flaw struct {
	Line     int           `json:"line"`
	Rule     string        `json:"rule"`
	Severity lint.Severity `json:"severity"`
	Text     string        `json:"text"`
	Remedy   string        `json:"remedy"`
}

// linted looks at what was imported, and at nothing else of the configuration.
func linted(cfg *config.Config, file string, now time.Time) []flaw {
	list := []flaw{}
	inFile := strings.NewReplacer(file+":", "line ")
	for _, p := range lint.Check(cfg, nil, now) {
		if p.Place.File != file {
			continue
		}
		list = append(list, flaw{p.Place.Line, p.Rule, p.Severity, inFile.Replace(p.Text), inFile.Replace(p.Remedy)})
	}
	return list
}

func printImportJSON(w io.Writer, r convert.Result) {
	printJSON(w, struct {
		Text     string         `json:"text"`
		Doors    int            `json:"doors"`
		Notes    []convert.Note `json:"notes"`
		Problems []flaw         `json:"problems"`
	}{r.Text, r.Doors, append([]convert.Note{}, r.Notes...), linted(r.Config, r.Path, time.Now())})
}

// importText is a configuration with what the linter says of it, as comments
// behind it.
func importText(r convert.Result) string {
	var b strings.Builder
	b.WriteString(r.Text)
	for i, p := range linted(r.Config, r.Path, time.Now()) {
		if i == 0 {
			b.WriteString("\n# What \"sallyport check\" says of this:\n")
		}
		fmt.Fprintf(&b, "# line %d: %s: %s: %s\n#   %s\n", p.Line, p.Severity, p.Rule, inert.Text(p.Text), inert.Text(p.Remedy))
	}
	return b.String()
}

// freeSequences makes sequences of ports that nothing on this host uses. It
// looks at the host when the first one is needed.
func freeSequences() convert.Sequence {
	around := sync.OnceValues(setup.Look)
	return func() ([]packet.Port, error) {
		h, err := around()
		if err != nil {
			return nil, err
		}
		return h.Sequence()
	}
}
