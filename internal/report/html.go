package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/inert"
)

//go:embed page.html
var page string

// The width and height of a time line, in units of its picture.
const (
	lineWidth  = 840.0
	lineHeight = 64.0
)

// Bar is one bar of a time line.
type Bar struct {
	X, Y, Width, Height float64
	Title               string
}

// Chart is a time line as it is drawn.
type Chart struct {
	Name, Class string
	Total, Max  uint64
	Root        bool // heights are square roots: one scan must not hide all the rest
	Bars        []Bar
}

// Tick is a mark of a time line's axis.
type Tick struct {
	X    float64
	Text string
}

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"text":     inert.Text,
	"group":    group,
	"count":    func(n int) string { return group(uint64(n)) },
	"addr":     func(a netip.Addr) string { return a.String() },
	"share":    share,
	"sentence": func(s string) string { return sentence(inert.Text(s)) },
}).Parse(page))

// HTML writes the report as one page that needs nothing else: no script, no
// network, and a policy that forbids both.
func (r *Report) HTML(w io.Writer) error {
	if err := pageTemplate.Execute(w, r); err != nil {
		return fmt.Errorf("write the report as HTML: %w", err)
	}
	return nil
}

// Charts returns the time lines.
func (r *Report) Charts() []Chart {
	return []Chart{
		r.chart("Doors opened", "good", &r.Opened, r.Grants, false),
		r.chart("Knocks refused", "warn", &r.Refused, r.Refusals, true),
		r.chart("Packets to closed ports", "quiet", &r.Touched, r.Packets, true),
	}
}

func (r *Report) chart(name, class string, line *Line, total uint64, root bool) Chart {
	c := Chart{Name: name, Class: class, Total: total, Max: line.Max(), Root: root}
	const each = lineWidth / buckets
	for i, n := range line {
		if n == 0 {
			continue
		}
		part := float64(n) / float64(c.Max)
		if root {
			part = math.Sqrt(part)
		}
		height := max(2, part*lineHeight)
		from := r.bucketStart(i)
		c.Bars = append(c.Bars, Bar{float64(i)*each + 1, lineHeight - height, each - 2, height,
			fmt.Sprintf("%s: %s", from.Format("Mon 2 Jan 15:04"), group(n))})
	}
	return c
}

func (r *Report) bucketStart(i int) time.Time {
	return r.Since.Add(r.Until.Sub(r.Since) * time.Duration(i) / buckets).In(r.Zone)
}

// Ticks returns at most a dozen marks: the beginnings of days, of every second
// hour, of weeks.
func (r *Report) Ticks() []Tick {
	whole := r.Until.Sub(r.Since)
	if whole <= 0 {
		return nil
	}
	step, layout := 1, "Mon 2"
	for days := whole.Hours() / 24; days/float64(step) > 12; {
		step++
		layout = "2 Jan"
	}
	first := r.Since.In(r.Zone)
	day := time.Date(first.Year(), first.Month(), first.Day(), 0, 0, 0, 0, r.Zone)
	next := func(t time.Time) time.Time { return t.AddDate(0, 0, step) }
	if whole < 48*time.Hour {
		layout = "15:04"
		hours := max(1, int(whole.Hours()/8))
		next = func(t time.Time) time.Time { return t.Add(time.Duration(hours) * time.Hour) }
	}
	var ticks []Tick
	for t := day; !t.After(r.Until); t = next(t) {
		if t.Before(r.Since) {
			continue
		}
		if x := float64(t.Sub(r.Since)) / float64(whole) * lineWidth; x < lineWidth-30 {
			ticks = append(ticks, Tick{x, t.Format(layout)})
		}
	}
	return ticks
}

// share returns how wide the bar of n is where most is the widest.
func share(n, most uint64) float64 {
	if most == 0 || n == 0 {
		return 0
	}
	return max(1, float64(n)/float64(most)*100)
}

// Most returns the highest count of refusals by reason.
func (r *Report) Most() uint64 {
	if list := r.RefusalsByReason(); len(list) > 0 {
		return list[0].Count
	}
	return 0
}

// Stamp writes a time as the report does; a dash if it never was.
func (r *Report) Stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(r.Zone).Format("2 Jan 15:04")
}

// Span says in words which time the report is about.
func (r *Report) Span() string {
	const layout = "Mon 2 Jan 2006 15:04"
	return r.Since.In(r.Zone).Format(layout) + " to " + r.Until.In(r.Zone).Format(layout+" MST")
}

// Grade is the severity of the worst finding, for the heading.
func (r *Report) Grade() event.Severity {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Severity
}
