package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"net/netip"
	"strings"
	"time"

	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/lang"
)

//go:embed page.html
var page string

// The width and height of a time line, in units of its picture.
const (
	lineWidth  = 840.0
	lineHeight = 64.0

	tickWidth = 100.0 // of the widest mark, as it is on a phone
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
	"number":   func(head string, n uint64) cell { return cell{head, n} },
}).Parse(page))

// cell is a number in a table, with the head of its column.
type cell struct {
	Head string
	N    uint64
}

// nameCell is the first cell of a door or a client.
type nameCell struct {
	Page *Report
	Use  Use
}

// Name returns the first cell of a row.
func (r *Report) Name(u Use) any { return nameCell{r, u} }

// T says something on the page in the language of the report.
func (r *Report) T(english string, args ...any) string {
	if len(args) == 0 {
		return r.Lang.Say(english)
	}
	return r.Lang.Sayf(english, args...)
}

// Explained returns the findings in the language of the report.
func (r *Report) Explained() []event.Finding {
	list := make([]event.Finding, len(r.Findings))
	for i, f := range r.Findings {
		list[i] = detect.In(r.Lang, f)
		list[i].Client = r.client(f.Client).String()
		list[i].Door = r.door(f.Door).String()
	}
	return list
}

// Severity names a severity in the language of the report.
func (r *Report) Severity(s event.Severity) string {
	return r.Lang.Say(strings.ToUpper(inert.Text(string(s))))
}

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
		r.chart(r.T("Doors opened"), "good", &r.Opened, r.Grants, false),
		r.chart(r.T("Knocks refused"), "warn", &r.Refused, r.Refusals, true),
		r.chart(r.T("Packets to closed ports"), "quiet", &r.Touched, r.Packets, true),
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
			fmt.Sprintf("%s: %s", r.Lang.Time(from, lang.Bar), group(n))})
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
	step, layout := 1, lang.Day
	for days := whole.Hours() / 24; days/float64(step) > 12; {
		step++
		layout = lang.Date
	}
	first := r.Since.In(r.Zone)
	day := time.Date(first.Year(), first.Month(), first.Day(), 0, 0, 0, 0, r.Zone)
	next := func(t time.Time) time.Time { return t.AddDate(0, 0, step) }
	if whole < 48*time.Hour {
		layout = lang.Hour
		hours := max(1, int(whole.Hours()/8))
		next = func(t time.Time) time.Time { return t.Add(time.Duration(hours) * time.Hour) }
	}
	var ticks []Tick
	for t := day; !t.After(r.Until); t = next(t) {
		if t.Before(r.Since) {
			continue
		}
		if x := float64(t.Sub(r.Since)) / float64(whole) * lineWidth; x < lineWidth-tickWidth {
			ticks = append(ticks, Tick{x, r.Lang.Time(t, layout)})
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
	return r.Lang.Time(t.In(r.Zone), lang.Short)
}

// Span says in words which time the report is about.
func (r *Report) Span() string {
	until := r.Until.In(r.Zone)
	zone, _ := until.Zone()
	return r.T("%s to %s %s", r.Lang.Time(r.Since.In(r.Zone), lang.Minute), r.Lang.Time(until, lang.Minute), zone)
}
