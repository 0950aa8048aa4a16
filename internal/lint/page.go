package lint

import (
	"fmt"
	"slices"
	"strings"
)

// Page writes the rules down for people, as Markdown. The head of the page is
// handed in.
//
//go:generate go test -run TestPage -update .
func Page(head string) string {
	var b strings.Builder
	b.WriteString(head)
	group := Group("")
	for _, r := range rules {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s: %s.\n\n%s\n\nRemedy: %s.\n", r.Name, r.Severity, r.Summary, r.Why, r.Remedy)
		r.Bad.write(&b, "Breaks the rule:")
		r.Good.write(&b, "Does not:")
	}
	return b.String()
}

func (e Example) write(b *strings.Builder, title string) {
	// Snippets that load on their own are marked as TOML, and a test loads them.
	fence := "toml"
	if len(e.Files) > 0 {
		fence = "ini"
	}
	fmt.Fprintf(b, "\n%s\n\n```%s\n%s```\n", title, fence, e.Config)
	for _, name := range sortedKeys(e.Files) {
		fmt.Fprintf(b, "\n`%s`:\n\n```text\n%s```\n", name, e.Files[name])
	}
	if e.Host != nil {
		if lines := e.Host.String(); lines != "" {
			fmt.Fprintf(b, "\nwhere %s.\n", strings.Join(slices.Collect(strings.SplitSeq(lines, "\n")), ", "))
		}
	}
}
