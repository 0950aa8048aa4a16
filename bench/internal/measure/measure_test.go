//go:build linux

package measure_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/bench/internal/flood"
	"sallyport/bench/internal/measure"
	"sallyport/bench/internal/report"
	"sallyport/bench/peers"
	"sallyport/internal/key"
	"sallyport/internal/lab/labtest"
)

// long skips the measurements that take long where nobody has asked for them.
func long(t *testing.T) {
	t.Helper()
	if !labtest.Long() {
		t.Skip("this takes long: ask for it with SALLYPORT_LONG=1")
	}
}

// TestMain lets the test program be the helpers that benchmarks start.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == peers.BareCommand:
		err = peers.RunBare()
	case len(os.Args) == 3 && os.Args[1] == flood.Command:
		err = flood.Main(os.Args[2], os.Stdin, os.Stdout)
	default:
		os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
		labtest.Main(m)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// little is enough to see that everything works.
var little = measure.Options{
	Rounds: 2, Knocks: 2, Repeats: 1, Burst: 200 * time.Millisecond, Rates: []int{10_000, 0},
	Doors: []int{1, 50}, Grants: []int{100}, Clients: []int{100}, Sources: 20_000,
	Progress: io.Discard, Settle: 10 * time.Second,
}

// cell returns the figure of a system in a column.
func cell(t *testing.T, section measure.Section, table, row, column string) report.Cell {
	t.Helper()
	for _, tb := range section.Tables {
		for _, r := range tb.Rows {
			for i, c := range tb.Columns {
				if tb.Key == table && r.Name == row && c == column && i < len(r.Cells) {
					return r.Cells[i]
				}
			}
		}
	}
	t.Fatalf("table %q has no %q for %q: %+v", table, column, row, section.Tables)
	return report.Cell{}
}

// TestEverySystemOpensItsDoor also shows the doors closed before and after:
// Latency fails, or says so, if one is not.
func TestEverySystemOpensItsDoor(t *testing.T) {
	for _, s := range peers.All(sallyport(t)) {
		t.Run(s.Name(), func(t *testing.T) {
			t.Parallel()
			if programs := s.Programs(); len(programs) > 0 {
				labtest.Need(t, "peers", programs...)
			}
			labtest.Need(t, "netns")
			if missing := peers.Missing(s); missing != "" && !testing.Short() {
				t.Skip(missing)
			}
			section, err := measure.Latency(t.Context(), []peers.System{s}, little)
			if err != nil {
				t.Fatal(err)
			}
			if got := cell(t, section, "latency", s.Name(), "opened"); got.Text != "2/2" {
				t.Errorf("opened %s, want 2/2", got.Text)
			}
			if got := cell(t, section, "latency", s.Name(), "stayed open"); got.Text != "0" && s.Name() == "sallyport" {
				t.Errorf("%s doors stayed open", got.Text)
			}
			if strings.HasPrefix(s.Name(), "sallyport (SPA") {
				if got := cell(t, section, "answer", s.Name(), "answered"); got.Text != "2/2" {
					t.Errorf("answered %s, want 2/2", got.Text)
				}
			} else if len(section.Tables) != 1 {
				t.Errorf("a system that does not answer has %d tables, want 1", len(section.Tables))
			}
			if about := section.Systems[0]; len(about.Command) == 0 || about.Name != s.Name() {
				t.Errorf("the report cannot be repeated: %+v", about)
			}
		})
	}
}

// build makes the program to measure, once, where benchmarks leave their
// results.
var build = sync.OnceValues(func() (string, error) {
	program, err := filepath.Abs("../../out/sallyport-of-tests")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-o", program, "sallyport/cmd/sallyport").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sallyport: %w\n%s", err, out)
	}
	return program, nil
})

// sallyport returns the path of the program to measure.
func sallyport(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		return "sallyport"
	}
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func TestFlood(t *testing.T) {
	long(t)
	labtest.Need(t, "netns")
	bare := peers.Bare{}
	section, err := measure.Flood(t.Context(), []peers.System{bare}, little)
	if err != nil {
		t.Fatal(err)
	}
	if got := cell(t, section, "flood", bare.Name(), "opened").Value.(map[string]int); got["all"] != little.Knocks {
		t.Errorf("%d honest knocks, want %d", got["all"], little.Knocks)
	}
	slow := cell(t, section, "cpu-first-10000", bare.Name(), "junk, thousands/s").Text
	fast := cell(t, section, "cpu-first-max", bare.Name(), "junk, thousands/s").Text
	if slow == "0" || fast == "0" || slow == fast {
		t.Errorf("junk arrives at %s and at %s thousand a second", slow, fast)
	}
	if got := cell(t, section, "cpu-first-max", bare.Name(), "daemon, ms").Text; got == "0" {
		t.Error("a daemon that reads all junk uses no processor time")
	}
}

// TestGoodput tries every kind of junk in a long run only.
func TestGoodput(t *testing.T) {
	long(t)
	t.Parallel()
	labtest.Need(t, "netns")
	some, columns := little, []string{"no junk"}
	some.Offered, some.Rates = 4, nil
	systems := []peers.System{peers.SPA{Program: sallyport(t), Suite: key.X25519}}
	if os.Getenv("SALLYPORT_LONG") != "" {
		some.Rates, columns = []int{1000}, append(columns, "1 k/s")
		systems = append(systems, peers.Bare{})
	}
	section, err := measure.Goodput(t.Context(), systems, some)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"goodput-first", "goodput-scan", "goodput-tagged", "goodput-replay"} {
		for _, column := range columns {
			if got := cell(t, section, table, systems[0].Name(), column); !strings.HasPrefix(got.Text, "4/4 ") {
				t.Errorf("%s, %s: %s, want 4/4", table, column, got.Text)
			}
		}
	}
}

func TestSoak(t *testing.T) {
	long(t)
	t.Parallel()
	labtest.Need(t, "netns")
	short := little
	short.Soak = 3 * time.Second
	s := peers.SPA{Program: sallyport(t), Suite: key.X25519}
	section, err := measure.Soak(t.Context(), []peers.System{s, peers.Bare{}}, short)
	if err != nil {
		t.Fatal(err)
	}
	if got := cell(t, section, "soak", s.Name(), "opened").Value.(map[string]int); got["good"] == 0 {
		t.Error("no honest knock opened the door")
	}
	for _, column := range []string{"resident, MB", "goroutines", "open files"} {
		if got := cell(t, section, "soak", s.Name(), column); len(got.Value.([]float64)) < 10 {
			t.Errorf("%s: %v", column, got.Value)
		}
	}
}

// TestClientsComeThroughAFlood has tries enough for a machine that is busy.
func TestClientsComeThroughAFlood(t *testing.T) {
	long(t)
	t.Parallel()
	labtest.Need(t, "netns")
	if os.Getenv("SALLYPORT_LONG") == "" {
		t.Skip("takes 20 s: set SALLYPORT_LONG")
	}
	one := little
	one.Knocks, one.Rates = 1, nil
	s := peers.SPA{Program: sallyport(t), Suite: key.Hybrid}
	section, err := measure.Flood(t.Context(), []peers.System{s}, one)
	if err != nil {
		t.Fatal(err)
	}
	table := "retries-" + s.Name()
	for _, junk := range []string{"no key, as fast as possible", "public key, 20,000/s"} {
		if got := cell(t, section, table, junk, "got in"); got.Text != "1/1" {
			t.Errorf("%s: %s clients got in, want 1/1", junk, got.Text)
		}
		if got := cell(t, section, table, junk, "junk, thousands/s"); got.Text == "0" {
			t.Errorf("%s: no junk arrives", junk)
		}
	}
}

func TestGrowth(t *testing.T) {
	long(t)
	labtest.Need(t, "netns")
	section, err := measure.Growth(t.Context(), []peers.System{peers.Sallyport{Program: sallyport(t)}}, little)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"1 door", "50 doors", "1 door, 100 active grants"} {
		if got := cell(t, section, "growth", row, "opened"); got.Text != "2/2" {
			t.Errorf("%s: opened %s, want 2/2", row, got.Text)
		}
	}
	if got := cell(t, section, "sources", "sallyport", "captured").Value.(float64); got == 0 {
		t.Error("the daemon has seen none of the sources")
	}
}

// TestADoorThatIsOpenIsNoResult: a system that never closes its door must not
// pass for a fast one.
func TestADoorThatIsOpenIsNoResult(t *testing.T) {
	labtest.Need(t, "netns")
	impatient := little
	impatient.Settle = time.Second
	_, err := measure.Latency(t.Context(), []peers.System{ajar{}}, impatient)
	if err == nil {
		t.Error("a door that stands open was measured")
	}
}
