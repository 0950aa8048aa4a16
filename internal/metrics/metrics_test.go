package metrics

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

var update = flag.Bool("update", false, "write docs/METRICS.md")

func full() State {
	return State{
		Started: time.Unix(1_000_000, 0), Doors: 2, Clients: 3, Grants: map[string]int{"ssh": 4},
		Rings: map[string]Ring{"knocks": {Received: 5, Lost: 6}}, Dropped: map[string]uint64{"ssh": 7, "": 8},
		Journal: Journal{Waiting: 9, Lag: 10 * time.Millisecond, Lost: 11}, Problems: 12, Bans: 13, Moat: map[string]uint64{"tag": 14},
	}
}

func newMetrics() *Metrics {
	m := New("v1", full, slog.New(slog.DiscardHandler))
	m.Put(event.Event{Kind: event.KindGrant, Door: "ssh", Reason: event.BySPA})
	m.Put(event.Event{Kind: event.KindRefusal, Reason: event.BadTag})
	m.Put(event.Event{Kind: event.KindRefusal, Reason: event.BadTag, Count: event.Contacts{Packets: 41}})
	m.Put(event.Event{Kind: event.KindUse, Door: "ssh"})
	m.Put(event.Event{Kind: event.KindUse, Door: "ssh", Ended: true}) // its end
	m.Put(event.Event{Kind: event.KindFinding, Finding: &event.Finding{Rule: "scan", Severity: event.Low}})
	m.Put(event.Event{Kind: event.KindFinding})
	m.Opened(300 * time.Microsecond)
	return m
}

// serve answers until the test ends.
func serve(t *testing.T, at string) (l net.Listener) {
	t.Helper()
	l, err := Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- newMetrics().Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l
}

func get(t *testing.T, l net.Listener, method, path string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, l.Addr().Network(), l.Addr().String())
		},
	}}
	request, err := http.NewRequest(method, "http://sallyport"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestWhatIsTold(t *testing.T) {
	_, text := get(t, serve(t, "127.0.0.1:0"), "GET", "/metrics")
	for _, want := range []string{
		`sallyport_events_total{kind="refusal"} 2`,
		`sallyport_refusals_total{reason="tag"} 42`,
		`sallyport_grants_total{door="ssh",reason="spa"} 1`,
		`sallyport_uses_total{door="ssh"} 1`,
		`sallyport_findings_total{rule="scan",severity="low"} 1`,
		`sallyport_opening_seconds_bucket{le="0.0005"} 1`,
		`sallyport_info{version="v1"} 1`,
		`sallyport_start_time_seconds 1e+06`,
		`sallyport_grants{door="ssh"} 4`,
		`sallyport_capture_lost_total{ring="knocks"} 6`,
		`sallyport_dropped_packets_total{door=""} 8`,
		`sallyport_journal_lag_seconds 0.01`,
		`sallyport_bans 13`,
		`sallyport_moat_dropped_total{reason="tag"} 14`,
		`sallyport_problems 12`,
		`go_goroutines `,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestNothingElseIsAnswered(t *testing.T) {
	l := serve(t, "127.0.0.1:0")
	for question, want := range map[[2]string]int{
		{"GET", "/"}: 404, {"GET", "/debug/pprof/"}: 404, {"GET", "/metrics/x"}: 404, {"POST", "/metrics"}: 405,
	} {
		if got, _ := get(t, l, question[0], question[1]); got != want {
			t.Errorf("%s: %d, want %d", question, got, want)
		}
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false) // as a daemon that was killed leaves it
	old.Close()
	l := serve(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
	if status, _ := get(t, l, "GET", "/metrics"); status != 200 {
		t.Errorf("status %d", status)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(file); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file now holds %q", text)
	}
}

func TestAddressInUse(t *testing.T) {
	l := serve(t, "127.0.0.1:0")
	if _, err := Listen(l.Addr().String()); err == nil || !strings.Contains(err.Error(), "metrics") {
		t.Errorf("%v", err)
	}
}

const page = "../../docs/METRICS.md"

// The page lists every metric of ours, with its type, labels and meaning.
func TestPage(t *testing.T) {
	families, err := newMetrics().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(`# Metrics

Prometheus may ask where the configuration says so:

` + "```toml\n[metrics]\nlisten = \"127.0.0.1:9477\"\n```" + `

There is no password; anyone who can connect learns the names of the doors and how they are used, so let it be a loopback address,
a management network or the path of a socket. A dashboard for Grafana is in ` + "`packaging/grafana/sallyport.json`" + `. What
begins with ` + "`go_` and `process_`" + ` comes from the Go runtime and the kernel. This list is written by
` + "`go test ./internal/metrics -update`" + `.

| Metric | Type | Labels | Meaning |
|---|---|---|---|
`)
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "sallyport_") {
			continue
		}
		var labels []string
		for _, pair := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+pair.GetName()+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	if *update {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(page); err != nil || !bytes.Equal(text, b.Bytes()) {
		t.Errorf("docs/METRICS.md is not up to date (%v): go test ./internal/metrics -update", err)
	}
}

// The dashboard asks for nothing that does not exist.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../../packaging/grafana/sallyport.json")
	if err != nil {
		t.Fatal(err)
	}
	families, err := newMetrics().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, f := range families {
		known = append(known, f.GetName())
		if f.GetType().String() == "HISTOGRAM" {
			known = append(known, f.GetName()+"_bucket", f.GetName()+"_sum", f.GetName()+"_count")
		}
	}
	asked := regexp.MustCompile(`\b(sallyport|process|go)_[a-z_]+`).FindAllString(string(text), -1)
	if len(asked) < 10 {
		t.Errorf("the dashboard asks for %d metrics only", len(asked))
	}
	for _, metric := range asked {
		if !slices.Contains(known, metric) {
			t.Errorf("the dashboard asks for %s, which does not exist", metric)
		}
	}
}

// However many connect and say nothing, Prometheus is answered at once.
func TestSilentConnectionsKeepNobodyOut(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	m := New("test", func() State { return State{} }, slog.New(slog.DiscardHandler))
	go func() { done <- m.Serve(ctx, l) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	var silent []net.Conn
	for range 3 * MostConnections {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + l.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	for _, c := range silent[:MostConnections] {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a connection beyond %d goes on: %v", MostConnections, err)
		}
	}
}
