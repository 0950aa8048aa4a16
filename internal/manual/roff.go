// Package manual writes manual pages in the language of man(7): one for each
// command, made from what its help says, and sallyport.toml(5), made from the
// reference of the configuration. What a page has beside the help (files,
// environment, exit status, what to see also) is in about.go.
//
// The same command gives the same bytes: the date is an argument.
package manual

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Page is a name and a section: "sallyport-knock", 1.
type Page struct {
	Name    string
	Section int
}

// File is the name of the page's file.
func (p Page) File() string { return fmt.Sprintf("%s.%d", p.Name, p.Section) }

// sheet is a page that is being written. An error shows at the end.
type sheet struct {
	w   io.Writer
	err error
}

func (s *sheet) line(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format+"\n", args...)
	}
}

// title begins a page and names what it is about.
func (s *sheet) title(p Page, date time.Time, about string) {
	s.line(`.TH "%s" "%d" "%s" "Sallyport" "Sallyport"`, escape(strings.ToUpper(p.Name)), p.Section, date.UTC().Format(time.DateOnly))
	s.line(".nh\n.ad l") // commands are not to be hyphenated or stretched
	s.section("NAME")
	s.line(`%s \- %s`, escape(p.Name), escape(about))
}

func (s *sheet) section(name string) { s.line(".SH %s", escape(name)) }

// item is a term with what it means.
func (s *sheet) item(term, meaning string) { s.line(".TP\n%s\n%s", term, guard(escape(meaning))) }

// prose writes paragraphs as people write them in a text: an empty line ends one,
// "- " begins an item of a list, and what is indented stays as it is.
func (s *sheet) prose(text string) {
	for i, p := range blocks(text) {
		switch {
		case p.verbatim:
			s.line(".RS 4")
			s.example(p.lines)
			s.line(".RE")
		case strings.HasPrefix(p.lines[0], "- "):
			s.line(".IP \\(bu 2")
			s.line("%s", guard(escape(strings.TrimPrefix(strings.Join(p.lines, " "), "- "))))
		default:
			if i > 0 {
				s.line(".PP")
			}
			s.line("%s", guard(escape(strings.Join(p.lines, " "))))
		}
	}
}

// example writes lines as they are.
func (s *sheet) example(lines []string) {
	s.line(".PP\n.nf")
	for _, l := range lines {
		s.line("%s", guard(escape(l)))
	}
	s.line(".fi")
}

type block struct {
	lines    []string
	verbatim bool
}

// blocks cuts a text into paragraphs, items and indented lines.
func blocks(text string) (list []block) {
	fresh := true
	for _, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		plain := strings.TrimSpace(line)
		verbatim := line != plain && strings.TrimLeft(line, " \t") == plain && !strings.HasPrefix(plain, "- ")
		switch last := len(list) - 1; {
		case plain == "":
			fresh = true
			continue
		case fresh, strings.HasPrefix(plain, "- "), verbatim != list[last].verbatim:
			list = append(list, block{[]string{plain}, verbatim})
		default:
			list[last].lines = append(list[last].lines, plain)
		}
		fresh = false
	}
	return list
}

var escaper = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`, "'", `\(aq`)

// escape makes text that groff prints as it stands (groff_char(7)): its hyphens
// and quotes are those of a keyboard, so that a command can be copied.
func escape(text string) string { return escaper.Replace(text) }

// guard keeps a line from being taken for a request.
func guard(line string) string {
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	return line
}

func bold(text string) string   { return `\fB` + escape(text) + `\fR` }
func italic(text string) string { return `\fI` + escape(text) + `\fR` }

// reference is how a page is named in another one.
func (p Page) reference() string { return fmt.Sprintf("%s(%d)", bold(p.Name), p.Section) }
