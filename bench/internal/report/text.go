//go:build linux

package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// WriteText writes the report for people: the machine, then the tables. The
// configurations are in the JSON only.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s, %s\n", r.Started.Format(time.RFC3339), strings.Join(r.Command, " "))
	fmt.Fprintf(&b, "Linux %s, %d × %s, %d MB, %s, %s\n", m.Kernel, m.Cores, m.CPU, m.MemoryMB, m.OS, m.Go)
	fmt.Fprintf(&b, "load before the run: %s\n\n", m.Load)
	for _, s := range r.Systems {
		fmt.Fprintf(&b, "%s: %s\n", s.Name, about(s))
	}
	for _, t := range r.Tables {
		b.WriteByte('\n')
		t.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func about(s System) string {
	words := s.Missing
	if words == "" {
		words = strings.Join(s.Command, " ")
	}
	if s.Version != "" {
		words = s.Version + "; " + words
	}
	return words
}

// WriteText writes one table.
func (t *Table) WriteText(w io.Writer) error {
	var b strings.Builder
	t.write(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) write(b *strings.Builder) {
	fmt.Fprintf(b, "%s\n", t.Title)
	lines := t.lines()
	widths := make([]int, len(t.Columns)+1)
	for _, cells := range lines {
		for i, c := range cells {
			if len(cells) > 2 || i == 0 || len(t.Columns) == 1 { // a remark widens no column
				widths[i] = max(widths[i], utf8.RuneCountInString(c))
			}
		}
	}
	for _, cells := range lines {
		b.WriteString("  ")
		for i, c := range cells {
			pad := widths[i] - utf8.RuneCountInString(c)
			switch {
			case i == 0:
				b.WriteString(c + strings.Repeat(" ", pad))
			default:
				b.WriteString("  " + strings.Repeat(" ", max(pad, 0)) + c)
			}
		}
		b.WriteByte('\n')
	}
	for _, note := range t.Notes {
		fmt.Fprintf(b, "  · %s\n", note)
	}
}

// lines returns the cells of the heading and the rows as text.
func (t *Table) lines() [][]string {
	lines := [][]string{append([]string{""}, t.Columns...)}
	for _, r := range t.Rows {
		line := []string{r.Name}
		if r.Remark != "" {
			lines = append(lines, append(line, r.Remark))
			continue
		}
		for _, c := range r.Cells {
			line = append(line, c.Text)
		}
		lines = append(lines, line)
	}
	return lines
}
