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
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/convert"
	"sallyport/internal/inert"
	"sallyport/internal/lint"
	"sallyport/internal/phrase"
)

func newImport(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "import",
		Short:   "Make a configuration from one of knockd or fwknop",
		GroupID: "server",
		Long: `Prints our configuration, with comments for everything that could not be carried over, and why; behind it, what
"sallyport check" would say. Nothing is closed by that: read it, then save it with -o, which makes a file that the
daemon may read and nobody else.`,
		Example: `  sallyport import knockd /etc/knockd.conf
  sudo sallyport import knockd /etc/knockd.conf -o /etc/sallyport/conf.d/knockd.toml
  sudo sallyport check`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newImportOf(std, "knockd FILE|-", "Make doors with sequences from a knockd.conf",
			"  sallyport import knockd /etc/knockd.conf", func(text string) (convert.Result, error) {
				return convert.Knockd(text, freeSequences())
			}),
		newImportOf(std, "fwknop FILE|-", "Make doors from an access.conf, and a list of the clients to add",
			"  sudo sallyport import fwknop /etc/fwknop/access.conf", convert.Fwknop),
		newImportSequences(std),
	)
	return cmd
}

func newImportOf(std stdio, use, short, example string, read func(string) (convert.Result, error)) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: example, Args: args(cobra.ExactArgs(1))}
	asJSON := cmd.Flags().Bool("json", false, "print an object with the text, the notes and the problems")
	out := outFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("json", "out")
	cmd.RunE = func(_ *cobra.Command, list []string) error {
		r, err := imported(std.in, list[0], read)
		if err != nil {
			return err
		}
		if *asJSON {
			printImportJSON(std.out, r)
			return nil
		}
		if err := save(std.out, *out, importText(r)); err != nil {
			return err
		}
		fmt.Fprintf(std.err, "%s imported; %s to read\n", phrase.Count(r.Doors, "door"), phrase.Count(len(r.Notes), "note"))
		return nil
	}
	return cmd
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

// linted looks at what was imported. The configuration has no file yet.
func linted(cfg *config.Config, now time.Time) []flaw {
	list := []flaw{}
	for _, p := range lint.Check(cfg, nil, now) {
		inFile := strings.NewReplacer(cfg.Path+":", "line ")
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
	}{r.Text, r.Doors, append([]convert.Note{}, r.Notes...), linted(r.Config, time.Now())})
}

// importText is a configuration with what the linter says of it, as comments
// behind it.
func importText(r convert.Result) string {
	var b strings.Builder
	b.WriteString(r.Text)
	for i, p := range linted(r.Config, time.Now()) {
		if i == 0 {
			b.WriteString("\n# What \"sallyport check\" says of this:\n")
		}
		fmt.Fprintf(&b, "# line %d: %s: %s: %s\n#   %s\n", p.Line, p.Severity, p.Rule, inert.Text(p.Text), inert.Text(p.Remedy))
	}
	return b.String()
}
