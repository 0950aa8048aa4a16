//go:build linux

package drill

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"sallyport/internal/columns"
	"sallyport/internal/lang"
	"sallyport/internal/strictjson"
)

// Report is what a drill has brought, as --json writes it.
type Report struct {
	Version string    `json:"version"` // of the program
	Config  string    `json:"config"`  // path of the configuration that was attacked
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Results []Result  `json:"results"`

	// Of a drill from elsewhere only.
	From  []netip.Addr `json:"from,omitempty"`          // the attacker, as the gate sees it
	Clock float64      `json:"clock_seconds,omitempty"` // by how much the gate's clock is ahead of the attacker's
}

// Read reads a report that was written before.
func Read(path string) (Report, error) {
	var r Report
	file, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxReport))
	if err != nil {
		return r, err
	}
	if strictjson.Lenient(text, &r) != nil || len(r.Results) == 0 {
		return r, fmt.Errorf("%q is no report of a drill: want what sallyport drill --json prints", path)
	}
	return r, nil
}

// maxReport is far more than all attacks take.
const maxReport = 16 << 20

// Count returns how many results have a verdict.
func (r Report) Count(v Verdict) (n int) {
	for _, result := range r.Results {
		if result.Verdict == v {
			n++
		}
	}
	return n
}

// Ok reports whether everything was as expected.
func (r Report) Ok() bool { return r.Count(Failed)+r.Count(Broken) == 0 }

// Change is an attack whose verdict is another than before.
type Change struct {
	ID       string  `json:"id"`
	Was, Now Verdict // empty: it was not carried out
}

// Since compares a report with an earlier one.
func (r Report) Since(before Report) (list []Change) {
	was := make(map[string]Verdict)
	for _, result := range before.Results {
		was[result.ID] = result.Verdict
	}
	for _, result := range r.Results {
		if old := was[result.ID]; old != result.Verdict {
			list = append(list, Change{result.ID, old, result.Verdict})
		}
	}
	return list
}

// In names a verdict for people.
func (v Verdict) In(l lang.Lang) string {
	switch v {
	case Held:
		return l.Say("held")
	case Failed:
		return l.Say("FAILED")
	case Skipped:
		return l.Say("skipped")
	case Broken:
		return l.Say("BROKEN")
	}
	return l.Say("not run")
}

// expected is the finding that had to come, and within which time.
func (r Result) expected() string {
	if r.Expected == "" {
		return "-"
	}
	return fmt.Sprintf("%s, %gs", r.Expected, r.Within)
}

func (r Result) took() string {
	if !slices.Contains(r.Seen, r.Expected) {
		return "-"
	}
	return fmt.Sprintf("%.1f", r.Seconds)
}

func orDash(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ", ")
}

// row is a result as a row of a table.
func (r Result) row(l lang.Lang) []string {
	id := r.ID
	if r.Simulated {
		id += " " + l.Say("(simulated)")
	}
	return []string{id, r.Verdict.In(l), r.expected(), orDash(r.Seen), r.took(), orDash(r.Opened)}
}

func heads(l lang.Lang) []string {
	return []string{l.Say("ATTACK"), l.Say("VERDICT"), l.Say("EXPECTED"), l.Say("SEEN"), l.Say("SECONDS"), l.Say("OPENED")}
}

// Text writes the table, and then what was not as expected.
func (r Report) Text(w io.Writer, l lang.Lang) error {
	rows := [][]string{heads(l)}
	for _, result := range r.Results {
		rows = append(rows, result.row(l))
	}
	if err := columns.Write(w, rows); err != nil {
		return err
	}
	for _, result := range r.Results {
		if result.Why != "" {
			fmt.Fprintf(w, "\n%s: %s\n  %s\n", result.ID, result.Verdict.In(l), l.Say(result.Why))
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.sum(l))
	if says := r.elsewhere(l); says != "" {
		fmt.Fprintln(w, says)
	}
	return err
}

// elsewhere says from where a drill was carried out, and whether the clocks agree.
func (r Report) elsewhere(l lang.Lang) string {
	if len(r.From) == 0 {
		return ""
	}
	var from []string
	for _, a := range r.From {
		from = append(from, a.String())
	}
	says := l.Sayf("Attacked from %s.", strings.Join(from, ", "))
	if clock := time.Duration(r.Clock * float64(time.Second)); clock.Abs() > sameClock {
		says += " " + l.Sayf("The gate's clock is %.0f s ahead of the attacker's (behind, if below 0); that is reckoned with.", clock.Seconds())
	}
	return says
}

func (r Report) sum(l lang.Lang) string {
	return l.Sayf("%d attacks in %.0f s: %d held, %d failed, %d could not be carried out, %d skipped.",
		len(r.Results), r.Seconds, r.Count(Held), r.Count(Failed), r.Count(Broken), r.Count(Skipped))
}

// Changes writes what is otherwise than before.
func Changes(w io.Writer, l lang.Lang, list []Change) {
	if len(list) == 0 {
		fmt.Fprintln(w, l.Say("Nothing is otherwise than before."))
		return
	}
	for _, c := range list {
		fmt.Fprintln(w, l.Sayf("%s: was %s, is %s", c.ID, c.Was.In(l), c.Now.In(l)))
	}
}

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("drill").Parse(page))

// line is a result as the page shows it.
type line struct {
	Result
	Cells     []string
	Does, Not string
	Class     string
}

// fieldsIn are the fields in a language.
func fieldsIn(l lang.Lang) (list []Field) {
	for _, f := range Fields() {
		list = append(list, Field{f.Path, Treatment(f.How.In(l)), l.Say(f.Why)})
	}
	return list
}

// HTML writes the report as one page that needs nothing else.
func (r Report) HTML(w io.Writer, l lang.Lang) error {
	var lines []line
	fields := fieldsIn(l)
	if len(r.From) > 0 { // nothing was taken of a configuration: the gate itself was attacked
		fields = nil
	}
	for _, result := range r.Results {
		class := map[Verdict]string{Held: "good", Skipped: "soft"}[result.Verdict]
		if class == "" {
			class = "bad"
		}
		does, not := described(l, result.Does, result.Not, result.IPv6)
		result.Why = l.Say(result.Why) // of what is skipped; errors stay as they are
		lines = append(lines, line{result, result.row(l), does, not, class})
	}
	return pageTemplate.Execute(w, map[string]any{
		"Lang": l.Tag(), "Title": l.Say("Attacks on your own gate"), "Sum": r.sum(l), "Ok": r.Ok(),
		"When": l.Time(r.Began, lang.Minute), "Config": r.Config, "Version": r.Version, "Heads": heads(l), "Lines": lines,
		"DoesHead": l.Say("What the attacker does"), "NotHead": l.Say("What must not happen"), "FieldsHead": l.Say("What was taken of the configuration"),
		"Fields": fields, "Stop": l.Say("."), "From": r.elsewhere(l),
	})
}
