package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"sallyport/internal/inert"
)

// textWidth is what mail programs show without breaking lines.
const textWidth = 76

// Text writes the report as plain text, for a mail.
func (r *Report) Text(w io.Writer) error {
	t := &textWriter{bufio.NewWriter(w)}
	t.line("Sallyport on %s", inert.Text(r.Host))
	t.line("%s", r.Span())
	t.line("")
	t.line("%s grants (%s used), %s knocks refused, %s packets to closed ports", group(r.Grants), group(r.Uses), group(r.Refusals), group(r.Packets))
	t.line("%d addresses made noise; %d open findings", r.Noisy(), len(r.Findings))
	t.heading("What to do")
	for i, a := range r.Advice() {
		t.wrapped(fmt.Sprintf("%2d. ", i+1), inert.Text(a))
	}
	t.heading("Over time")
	for _, c := range []struct {
		name string
		line *Line
	}{{"opened", &r.Opened}, {"refused", &r.Refused}, {"touched", &r.Touched}} {
		t.line("%-8s %s %s", c.name, sparkline(c.line), group(c.line.Max()))
	}
	t.findings(r)
	t.tables(r)
	if len(r.Overdue) > 0 {
		t.heading("Secrets")
		for _, o := range r.Overdue {
			t.wrapped(" - ", sentence(inert.Text(o)))
		}
	}
	if len(r.trouble) > 0 {
		t.heading("What did not work")
		for _, e := range r.trouble {
			t.wrapped(" - ", r.Stamp(e.Time)+" "+inert.Text(string(e.Kind))+": "+inert.Text(e.Detail))
		}
	}
	t.line("\n%s journal entries, sallyport %s", group(r.Events), inert.Text(r.Version))
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// textWriter keeps the first error until Flush.
type textWriter struct{ *bufio.Writer }

func (t *textWriter) line(format string, args ...any) {
	fmt.Fprintln(t, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

func (t *textWriter) heading(text string) {
	t.line("\n%s\n%s", text, strings.Repeat("-", utf8.RuneCountInString(text)))
}

// wrapped breaks a text between words, and indents all lines but the first.
func (t *textWriter) wrapped(mark, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(mark))
	line := mark
	for i, word := range strings.Fields(text) {
		if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > textWidth {
			t.line("%s", line)
			line = indent
		} else if i > 0 {
			line += " "
		}
		line += word
	}
	t.line("%s", line)
}

func (t *textWriter) findings(r *Report) {
	t.heading("Findings")
	if len(r.Findings) == 0 {
		t.line("Nothing was found that is worth a look.")
	}
	for _, f := range r.Findings {
		t.wrapped(" - ", fmt.Sprintf("%s: %s (%s, %s, last %s)", strings.ToUpper(inert.Text(string(f.Severity))), inert.Text(f.Explanation), inert.Text(f.Rule), times(f.Count), r.Stamp(f.Last)))
	}
}

func (t *textWriter) tables(r *Report) {
	t.heading("Why knocks were refused")
	t.table("REASON\tTIMES", func(row func(...any)) {
		for _, x := range r.RefusalsByReason() {
			row(inert.Text(string(x.Reason)), group(x.Count))
		}
	})
	t.heading("Doors")
	t.table("DOOR\tGRANTS\tUSED\tREFUSED\tLAST", func(row func(...any)) {
		for _, u := range r.DoorUse() {
			row(inert.Text(u.Name), group(u.Grants), group(u.Uses), group(u.Refusals), r.Stamp(u.Last))
		}
	})
	t.heading("Clients")
	t.table("CLIENT\tGRANTS\tREFUSED\tLAST", func(row func(...any)) {
		for _, u := range r.ClientUse() {
			row(inert.Text(u.Name), group(u.Grants), group(u.Refusals), r.Stamp(u.Last))
		}
	})
	t.heading("Loudest addresses (anybody can write any of them into a packet)")
	t.table("ADDRESS\tREFUSED\tPACKETS\tPORTS\tLAST", func(row func(...any)) {
		for _, s := range r.TopSources() {
			row(s.Addr, group(s.Refusals), group(s.Packets), s.Ports, r.Stamp(s.Last))
		}
	})
}

func (t *textWriter) table(head string, rows func(row func(...any))) {
	tab := tabwriter.NewWriter(t, 0, 0, 2, ' ', 0)
	none := true
	rows(func(cells ...any) {
		if none {
			fmt.Fprintln(tab, head)
			none = false
		}
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(tab, "\t")
			}
			fmt.Fprint(tab, c)
		}
		fmt.Fprintln(tab)
	})
	tab.Flush()
	if none {
		t.line("None.")
	}
}

// sparkline draws a time line in one line of text, two buckets in one mark.
func sparkline(l *Line) string {
	const marks = ".:-=+*#%@"
	most := uint64(0)
	for i := 0; i < buckets; i += 2 {
		most = max(most, l[i]+l[i+1])
	}
	var b strings.Builder
	for i := 0; i < buckets; i += 2 {
		n := l[i] + l[i+1]
		if n == 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteByte(marks[n*(uint64(len(marks))-1)/most])
	}
	return "|" + b.String() + "|"
}
