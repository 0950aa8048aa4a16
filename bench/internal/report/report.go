//go:build linux

// Package report is what a benchmark run tells: which machine, which systems
// with which configuration, and tables of figures, as text for people and as
// JSON for programs. It is pure but for the writers it is given.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"sallyport/bench/internal/machine"
	"sallyport/bench/internal/stats"
)

// Report is one run.
type Report struct {
	Started time.Time       `json:"started"`
	Took    string          `json:"took"`
	Command []string        `json:"command"`
	Machine machine.Machine `json:"machine"`
	Systems []System        `json:"systems"`
	Tables  []Table         `json:"tables"`
}

// System is one of the compared systems, and all it takes to set it up again.
type System struct {
	Name    string            `json:"name"`
	Version string            `json:"version,omitempty"`
	Missing string            `json:"missing,omitempty"` // why it did not take part
	Command []string          `json:"command,omitempty"`
	Files   map[string]string `json:"files,omitempty"` // configuration, by name
	Setup   []string          `json:"setup,omitempty"` // commands run before it starts
}

// Table is one section of the report.
type Table struct {
	Key     string   `json:"key"`
	Title   string   `json:"title"`
	Notes   []string `json:"notes,omitempty"`
	Columns []string `json:"columns"`
	Rows    []Row    `json:"rows"`
}

// Row is one system, or one size, in a table: a cell for each column, or a
// remark in their place.
type Row struct {
	Name   string `json:"name"`
	Cells  []Cell `json:"cells,omitempty"`
	Remark string `json:"remark,omitempty"`
}

// Cell is one figure: as it is shown, and as it was measured.
type Cell struct {
	Text  string `json:"text"`
	Value any    `json:"value"`
}

// WriteJSON writes the whole report.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Number shows a figure with three digits that matter, and its unit.
func Number(v float64, unit string) Cell { return Cell{digits(v) + space(unit), v} }

// Count shows a whole number.
func Count(n int) Cell { return Cell{strconv.Itoa(n), n} }

// Text shows words.
func Text(s string) Cell { return Cell{s, s} }

// Share shows how many of all tries succeeded.
func Share(good, all int) Cell {
	return Cell{fmt.Sprintf("%d/%d", good, all), map[string]int{"good": good, "all": all}}
}

// Spread shows a median with the least and the greatest value.
func Spread(s stats.Summary, unit string) Cell {
	switch s.N {
	case 0:
		return Cell{"–", s}
	case 1:
		return Cell{digits(s.P50) + space(unit), s}
	}
	return Cell{fmt.Sprintf("%s%s (%s–%s)", digits(s.P50), space(unit), digits(s.Min), digits(s.Max)), s}
}

// None shows that there is no figure.
func None() Cell { return Cell{"–", nil} }

func space(unit string) string {
	if unit == "" {
		return ""
	}
	return " " + unit
}

// digits writes three significant digits, and no exponent.
func digits(v float64) string {
	switch a := max(v, -v); {
	case a == 0:
		return "0"
	case a < 0.1:
		return fmt.Sprintf("%.3f", v)
	case a < 10:
		return fmt.Sprintf("%.2f", v)
	case a < 100:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

// Add appends the tables of one section, and the systems not yet known.
func (r *Report) Add(systems []System, tables []Table) {
	for _, s := range systems {
		known := slices.ContainsFunc(r.Systems, func(k System) bool { return k.Name == s.Name })
		if !known {
			r.Systems = append(r.Systems, s)
		}
	}
	r.Tables = append(r.Tables, tables...)
}
