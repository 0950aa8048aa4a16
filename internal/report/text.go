package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"sallyport/internal/columns"
	"sallyport/internal/inert"
	"sallyport/internal/lang"
)

// textWidth is what mail programs show without breaking lines.
const textWidth = 76

// Text writes the report as plain text, for a mail.
func (r *Report) Text(w io.Writer) error {
	t := &textWriter{bufio.NewWriter(w), r.Lang}
	t.line("%s", r.T("Sallyport on %s", inert.Text(r.Host)))
	t.line("%s", r.Span())
	t.line("")
	t.line("%s", r.T("grants: %s (%s used); knocks refused: %s; packets to closed ports: %s", group(r.Grants), group(r.Uses), group(r.Refusals), group(r.Packets)))
	t.line("%s", r.T("addresses that made noise: %d; open findings: %d", r.Noisy(), len(r.Findings)))
	t.heading(r.T("What to do"))
	for i, a := range r.Advice() {
		t.wrapped(fmt.Sprintf("%2d. ", i+1), inert.Text(a))
	}
	t.overTime(r)
	t.findings(r)
	t.tables(r)
	if len(r.Overdue) > 0 {
		t.heading(r.T("Secrets"))
		for _, o := range r.Overdue {
			t.wrapped(" - ", sentence(inert.Text(o.In(r.Lang))))
		}
	}
	if len(r.trouble) > 0 {
		t.heading(r.T("What did not work"))
		for _, e := range r.trouble {
			t.wrapped(" - ", r.Stamp(e.Time)+" "+inert.Text(string(e.Kind))+": "+inert.Text(e.Detail))
		}
	}
	t.line("\n%s", r.T("%s journal entries, sallyport %s", group(r.Events), inert.Text(r.Version)))
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// textWriter keeps the first error until Flush.
type textWriter struct {
	*bufio.Writer
	lang lang.Lang
}

func (t *textWriter) line(format string, args ...any) {
	fmt.Fprintln(t, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

func (t *textWriter) heading(text string) {
	t.line("\n%s\n%s", text, strings.Repeat("-", columns.Width(text)))
}

// wrapped breaks a text, and indents all lines but the first.
func (t *textWriter) wrapped(mark, text string) {
	for _, line := range columns.Wrap(text, textWidth-columns.Width(mark)) {
		t.line("%s%s", mark, line)
		mark = strings.Repeat(" ", columns.Width(mark))
	}
}

func (t *textWriter) overTime(r *Report) {
	t.heading(r.T("Over time"))
	var rows [][]string
	for _, c := range []struct {
		name string
		line *Line
	}{{r.T("opened"), &r.Opened}, {r.T("refused"), &r.Refused}, {r.T("touched"), &r.Touched}} {
		rows = append(rows, []string{c.name, sparkline(c.line) + " " + group(c.line.Max())})
	}
	columns.Write(t, rows)
}

func (t *textWriter) findings(r *Report) {
	t.heading(r.T("Findings"))
	if len(r.Findings) == 0 {
		t.line("%s", r.T("Nothing was found that is worth a look."))
	}
	for _, f := range r.Explained() {
		about := inert.Text(f.Rule)
		for _, name := range []string{f.Client, f.Door} {
			if name != "" {
				about += ", " + inert.Text(name)
			}
		}
		t.wrapped(" - ", r.T("%s: %s (%s, %s, last %s)", r.Severity(f.Severity), inert.Text(f.Explanation), about, times(r.Lang, f.Count), r.Stamp(f.Last)))
	}
}

func (t *textWriter) tables(r *Report) {
	t.heading(r.T("Why knocks were refused"))
	t.table([]string{"REASON", "TIMES"}, func(row func(...string)) {
		for _, x := range r.RefusalsByReason() {
			row(inert.Text(string(x.Reason)), group(x.Count))
		}
	})
	t.heading(r.T("Doors"))
	t.table([]string{"DOOR", "GRANTS", "USED", "REFUSED", "LAST", "LABEL"}, func(row func(...string)) {
		for _, u := range r.DoorUse() {
			row(inert.Text(u.Name), group(u.Grants), group(u.Uses), group(u.Refusals), r.Stamp(u.Last), inert.Text(u.Label))
		}
	})
	t.heading(r.T("Clients"))
	t.table([]string{"CLIENT", "GRANTS", "REFUSED", "LAST", "LABEL"}, func(row func(...string)) {
		for _, u := range r.ClientUse() {
			row(inert.Text(u.Name), group(u.Grants), group(u.Refusals), r.Stamp(u.Last), inert.Text(u.Label))
		}
	})
	t.heading(r.T("Loudest addresses (anybody can write any of them into a packet)"))
	t.table([]string{"ADDRESS", "REFUSED", "PACKETS", "PORTS", "LAST"}, func(row func(...string)) {
		for _, s := range r.TopSources() {
			row(s.Addr.String(), group(s.Refusals), group(s.Packets), fmt.Sprint(s.Ports), r.Stamp(s.Last))
		}
	})
	if n := r.Quieter(); n > 0 {
		t.line("%s", r.T("Not shown: %d that made less noise.", n))
	}
}

// table writes rows below their heads, which are words of the language. A last
// column with nothing in it is left out.
func (t *textWriter) table(heads []string, rows func(row func(...string))) {
	for i, h := range heads {
		heads[i] = t.lang.Say(h)
	}
	all := [][]string{heads}
	rows(func(cells ...string) { all = append(all, cells) })
	if len(all) == 1 {
		t.line("%s", t.lang.Say("None."))
		return
	}
	last := len(heads) - 1
	if !slices.ContainsFunc(all[1:], func(row []string) bool { return row[last] != "" }) {
		all[0] = heads[:last]
	}
	columns.Write(t, all)
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
