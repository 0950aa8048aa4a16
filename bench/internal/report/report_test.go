//go:build linux

package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sallyport/bench/internal/machine"
	"sallyport/bench/internal/report"
	"sallyport/bench/internal/stats"
)

func TestCells(t *testing.T) {
	tests := []struct {
		name string
		cell report.Cell
		want string
	}{
		{"zero", report.Number(0, "ms"), "0 ms"},
		{"tiny", report.Number(0.01234, "ms"), "0.012 ms"},
		{"small", report.Number(0.2567, "ms"), "0.26 ms"},
		{"middle", report.Number(76.54, "ms"), "76.5 ms"},
		{"large", report.Number(93123, "ms"), "93123 ms"},
		{"negative", report.Number(-0.5, "ms"), "-0.50 ms"},
		{"without a unit", report.Number(4, ""), "4.00"},
		{"share", report.Share(9, 10), "9/10"},
		{"spread of nothing", report.Spread(stats.Summary{}, "ms"), "–"},
		{"spread of one", report.Spread(stats.Of([]float64{3}), "ms"), "3.00 ms"},
		{"spread", report.Spread(stats.Of([]float64{3, 1, 20}), "ms"), "3.00 ms (1.00–20.0)"},
		{"none", report.None(), "–"},
	}
	for _, tt := range tests {
		if tt.cell.Text != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.cell.Text, tt.want)
		}
	}
}

func example() *report.Report {
	return &report.Report{
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Command: []string{"bench", "-rounds", "3"},
		Machine: machine.Machine{Kernel: "6.18", Cores: 2, CPU: "Example CPU", MemoryMB: 2048, OS: "Debian", Go: "go1.26", Load: "0.10"},
		Systems: []report.System{
			{Name: "quick", Version: "quick 1.0", Command: []string{"quick", "-f"}, Files: map[string]string{"quick.conf": "a > b\n"}},
			{Name: "absent", Missing: "not installed: absentd"},
		},
		Tables: []report.Table{{
			Key: "latency", Title: "knock to open", Notes: []string{"a note"},
			Columns: []string{"p50", "tries"},
			Rows: []report.Row{
				{Name: "quick", Cells: []report.Cell{report.Number(0.25, "ms"), report.Share(10, 10)}},
				{Name: "absent", Remark: "not installed, and a remark may be long"},
			},
		}},
	}
}

func TestText(t *testing.T) {
	want := strings.TrimPrefix(`
2026-01-02T03:04:05Z, bench -rounds 3
Linux 6.18, 2 × Example CPU, 2048 MB, Debian, go1.26
load before the run: 0.10

quick: quick 1.0; quick -f
absent: not installed: absentd

knock to open
              p50  tries
  quick   0.25 ms  10/10
  absent  not installed, and a remark may be long
  · a note
`, "\n")
	var got bytes.Buffer
	if err := example().WriteText(&got); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

// TestJSON reads the file as a program would that knows nothing of this package.
func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := example().WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Machine struct{ Kernel string }
		Systems []struct {
			Name, Missing string
			Files         map[string]string
		}
		Tables []struct {
			Key     string
			Columns []string
			Rows    []struct {
				Name, Remark string
				Cells        []struct {
					Text  string
					Value any
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if read.Machine.Kernel != "6.18" || read.Systems[0].Files["quick.conf"] != "a > b\n" || read.Systems[1].Missing == "" {
		t.Errorf("got %+v", read)
	}
	rows := read.Tables[0].Rows
	if v := rows[0].Cells[0].Value; v != 0.25 || rows[0].Cells[1].Text != "10/10" || rows[1].Remark == "" {
		t.Errorf("got rows %+v", rows)
	}
	if strings.Contains(out.String(), `\u003e`) {
		t.Error("configurations are written with escapes that nobody can read")
	}
}
