package guide

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("guide").Parse(page))

// HTML writes the guideline as one page that needs nothing else: no script, no
// network, and a policy that forbids both.
func (g *Guide) HTML(w io.Writer) error {
	if err := pageTemplate.Execute(w, g); err != nil {
		return fmt.Errorf("write the guideline as HTML: %w", err)
	}
	return nil
}

// Markdown writes the guideline as GitHub's Markdown, which CommonMark's readers
// read too.
func (g *Guide) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", g.Title.markdown())
	for _, s := range g.Sections {
		fmt.Fprintf(&b, "\n## %s\n", s.Title.markdown())
		before := (*Table)(nil)
		for i, item := range s.Items {
			if i == 0 || item.Table != nil || before != nil {
				b.WriteByte('\n')
			}
			if before = item.Table; before != nil {
				before.markdown(&b)
			} else {
				fmt.Fprintf(&b, "- %s\n", item.Text.markdown())
			}
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the guideline: %w", err)
	}
	return nil
}

func (t *Table) markdown(b *strings.Builder) {
	row := func(cells []Text) {
		for _, c := range cells {
			fmt.Fprintf(b, "| %s ", c.markdown())
		}
		b.WriteString("|\n")
	}
	row(t.Head)
	b.WriteString(strings.Repeat("|---", len(t.Head)) + "|\n")
	for _, cells := range t.Rows {
		row(cells)
	}
}

// What Markdown acts on, GitHub's addresses without brackets and formulas too.
// Characters that act at the start of a line only do nothing in a cell or a
// sentence.
var escapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "|", `\|`,
	"~", `\~`, "&", `\&`, "#", `\#`, "@", `\@`, "$", `\$`, "://", `\://`, "www.", `www\.`, "WWW.", `WWW\.`,
)

func (t Text) markdown() string {
	var b strings.Builder
	for _, p := range t.Pieces() {
		if !p.Code {
			b.WriteString(escapes.Replace(p.Text))
			continue
		}
		// A table ends at a stroke, in code too (GitHub Flavored Markdown, 4.10).
		text := strings.ReplaceAll(p.Text, "|", `\|`)
		if !strings.Contains(text, "`") {
			b.WriteString("`" + text + "`")
			continue
		}
		fence := strings.Repeat("`", 1+longestRun(text))
		b.WriteString(fence + " " + text + " " + fence)
	}
	return b.String()
}

// longestRun is how many backquotes stand in a row.
func longestRun(text string) (longest int) {
	n := 0
	for _, r := range text {
		if n++; r != '`' {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}
