package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/convert"
	"sallyport/internal/lint"
	"sallyport/internal/packet"
)

func newImport(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "import",
		Short:   "Make a configuration from one of knockd or fwknop",
		GroupID: "server",
		Long: `Prints our configuration, with comments for everything that could not be carried over, and why; behind it, what
"sallyport check" would say. Nothing is written and nothing is closed: look at what is printed, then save it.`,
		Example: `  sudo sh -c 'umask 027; sallyport import knockd /etc/knockd.conf > /etc/sallyport/conf.d/knockd.toml'
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
	cmd.RunE = func(_ *cobra.Command, list []string) error {
		r, err := imported(std.in, list[0], read)
		if err != nil {
			return err
		}
		return printImport(std, r, *asJSON)
	}
	return cmd
}

// newImportSequences converts a list, which is not a configuration.
func newImportSequences(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:   "sequences FILE|-",
		Short: "Make a sequences_file from knockd's one_time_sequences",
		Example: `  sudo sh -c 'umask 027; sallyport import sequences /etc/knockd/smtp_sequences > /etc/sallyport/smtp.sequences'
  sudo chgrp sallyport /etc/sallyport/smtp.sequences`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, list []string) error {
			text, err := imported(std.in, list[0], convert.Sequences)
			if err == nil {
				_, err = io.WriteString(std.out, text)
			}
			return err
		},
	}
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

// freeSequences makes sequences of ports that nothing on this host uses. It
// looks at the host when the first one is needed.
func freeSequences() convert.Sequence {
	around := sync.OnceValues(lookAround)
	return func() ([]packet.Port, error) {
		h, err := around()
		if err != nil {
			return nil, err
		}
		return (&setup{host: h}).sequence()
	}
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

func printImport(std stdio, r convert.Result, asJSON bool) error {
	problems := linted(r.Config, time.Now())
	if asJSON {
		printJSON(std.out, struct {
			Text     string         `json:"text"`
			Doors    int            `json:"doors"`
			Notes    []convert.Note `json:"notes"`
			Problems []flaw         `json:"problems"`
		}{r.Text, r.Doors, append([]convert.Note{}, r.Notes...), problems})
		return nil
	}
	if _, err := io.WriteString(std.out, r.Text); err != nil {
		return err
	}
	for i, p := range problems {
		if i == 0 {
			fmt.Fprint(std.out, "\n# What \"sallyport check\" says of this:\n")
		}
		fmt.Fprintf(std.out, "# line %d: %s: %s: %s\n#   %s\n", p.Line, p.Severity, p.Rule, inert(p.Text), inert(p.Remedy))
	}
	fmt.Fprintf(std.err, "%s imported; %s to read\n", count(r.Doors, "door"), count(len(r.Notes), "note"))
	return nil
}
