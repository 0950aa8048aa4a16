// Package metrics tells Prometheus what the daemon does: a listener of its own
// that answers GET /metrics in the text format, and nothing else.
//
// What happens is counted as it happens: Put is given every event. What is, such
// as the grants in force, is asked for when someone looks, by a function that
// the daemon provides; it must be quick and ask the kernel for nothing that
// grows. docs/METRICS.md lists every metric, and a test keeps the list true.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sallyport/internal/crowded"
	"sallyport/internal/event"
)

// Metrics counts. Its methods may be called by several goroutines at once.
type Metrics struct {
	registry *prometheus.Registry
	log      *slog.Logger

	events   *prometheus.CounterVec
	refusals *prometheus.CounterVec
	grants   *prometheus.CounterVec
	uses     *prometheus.CounterVec
	findings *prometheus.CounterVec
	opening  prometheus.Histogram
}

// New returns metrics that ask now for what is, each time someone looks.
func New(version string, now func() State, log *slog.Logger) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		log:      log,
		events:   counter("events_total", "What has happened, by kind.", "kind"),
		refusals: counter("refusals_total", "Knocks and messages that opened nothing, by reason.", "reason"),
		grants:   counter("grants_total", "Grants given, by door and by what opened it.", "door", "reason"),
		uses:     counter("uses_total", "Connections that grants have let in, by door; each grant's first.", "door"),
		findings: counter("findings_total", "Things worth a look, by rule and severity.", "rule", "severity"),
		opening: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    name("opening_seconds"),
			Help:    "From the arrival of the last packet of a knock until the kernel has the grant.",
			Buckets: []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .5, 1},
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: name("info"), Help: "Always 1; the label tells the version.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.registry.MustRegister(m.events, m.refusals, m.grants, m.uses, m.findings, m.opening, info, newStates(now),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func name(s string) string { return "sallyport_" + s }

func counter(id, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name(id), Help: help}, labels)
}

// Put counts an event.
func (m *Metrics) Put(e event.Event) {
	m.events.WithLabelValues(string(e.Kind)).Inc()
	switch e.Kind {
	case event.KindRefusal:
		m.refusals.WithLabelValues(string(e.Reason)).Add(float64(max(e.Count.Packets, 1)))
	case event.KindGrant:
		m.grants.WithLabelValues(e.Door, string(e.Reason)).Inc()
	case event.KindUse:
		if !e.Ended {
			m.uses.WithLabelValues(e.Door).Inc()
		}
	case event.KindFinding:
		if e.Finding != nil {
			m.findings.WithLabelValues(e.Finding.Rule, string(e.Finding.Severity)).Inc()
		}
	}
}

// Opened counts a grant by how long it took to come into force.
func (m *Metrics) Opened(took time.Duration) { m.opening.Observe(took.Seconds()) }

// Listen makes the listener: at a TCP address such as "127.0.0.1:9477", or at
// the absolute path of a socket, which the daemon's group may use.
func Listen(at string) (net.Listener, error) {
	if !path.IsAbs(at) {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return nil, fmt.Errorf("listen for questions about metrics: %w", err)
		}
		return l, nil
	}
	if info, err := os.Lstat(at); err == nil && info.Mode().Type() == fs.ModeSocket {
		_ = os.Remove(at) // of a daemon before; only one runs at a time
	}
	l, err := net.Listen("unix", at)
	if err == nil {
		err = os.Chmod(at, 0o660)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for questions about metrics: %w", err)
	}
	return l, nil
}

// MostConnections is how many askers are listened to at a time.
const MostConnections = 16

const (
	patience = 10 * time.Second // how long an asker may take for anything
	greeting = 2 * time.Second  // and for saying what it wants
)

// Serve answers on a listener until the context ends. It closes the listener.
func (m *Metrics) Serve(ctx context.Context, l net.Listener) error {
	l = crowded.Listen(l, crowded.Limits{Most: MostConnections})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: patience}))
	server := http.Server{
		Handler:           mux,
		ReadHeaderTimeout: greeting,
		ReadTimeout:       patience,
		WriteTimeout:      2 * patience,
		IdleTimeout:       patience,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(m.log.Handler(), slog.LevelDebug),
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
