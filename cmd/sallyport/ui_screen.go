package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"sallyport/internal/columns"
)

// Colours (ECMA-48, select graphic rendition). A colour only ever repeats what a
// word says too.
const (
	bold    = "1"
	faint   = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	magenta = "35"
	cyan    = "36"
	alarm   = "1;31"
)

// screen is where something is printed for people: on a terminal with its width
// and perhaps colours, elsewhere as it is.
type screen struct {
	io.Writer
	width, height int // in cells; 0: this is no terminal
	color         bool
}

// narrowest is the width below which lines are not broken further.
const narrowest = 20

func screenOf(w io.Writer) screen {
	if s, ok := w.(screen); ok {
		return s
	}
	s := screen{Writer: w}
	f, ok := fileOf(w)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" // no-color.org
	if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.width, s.height = max(width, narrowest), height
	}
	return s
}

// on is the same screen for text that is printed later.
func (s screen) on(w io.Writer) screen {
	s.Writer = w
	return s
}

// paint colours a text.
func (s screen) paint(color, text string) string {
	if !s.color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// prose prints a text under a label, which is coloured.
func (s screen) prose(color, label, text string) {
	laid := columns.Prose(inertText(text), s.width, label)
	if len(laid) > len(label) {
		laid = s.paint(color, label) + laid[len(label):]
	}
	fmt.Fprint(s, laid)
}

// rows is how many lines of the terminal a line of text takes.
func (s screen) rows(line string) int {
	return max(1, (columns.Width(plain(line))+s.width-1)/max(s.width, 1))
}

// plain returns a text without the escapes that colour it.
func plain(s string) string {
	parts := strings.Split(s, "\x1b[")
	for i, part := range parts[1:] {
		if rest := strings.TrimLeft(part, "0123456789;"); strings.HasPrefix(rest, "m") {
			parts[i+1] = rest[1:]
		} else {
			parts[i+1] = "\x1b[" + part
		}
	}
	return strings.Join(parts, "")
}

// unfold joins the lines of a text that was broken by hand, where the width of a
// terminal breaks it.
func unfold(text string, flowing bool) string {
	if flowing {
		return columns.Unfold(text)
	}
	return text
}

// note prints what is worth knowing beside a result.
func note(w io.Writer, format string, args ...any) {
	screenOf(w).prose(cyan, "note: ", fmt.Sprintf(format, args...))
}

// warn prints what needs a look.
func warn(w io.Writer, format string, args ...any) {
	screenOf(w).prose(yellow, "! ", fmt.Sprintf(format, args...))
}

// helpFits lays out the help of all commands for the terminal. Cobra's templates would
// do so too, but one that may be used keeps the linker from leaving anything out: a
// third of the client.
func helpFits(root *cobra.Command, std stdio) {
	s := screenOf(std.out)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		s.prose("", "", unfold(cmp.Or(cmd.Long, cmd.Short), s.width > 0)+"\n")
		usage := cmd.UsageString()
		for _, flags := range []*pflag.FlagSet{cmd.LocalFlags(), cmd.InheritedFlags()} {
			if flags.HasAvailableFlags() {
				trim := func(text string) string { return strings.TrimRightFunc(text, unicode.IsSpace) }
				usage = strings.Replace(usage, trim(flags.FlagUsages()), trim(flags.FlagUsagesWrapped(s.width)), 1)
			}
		}
		fmt.Fprintf(s, "\n%s", usage)
	})
}
