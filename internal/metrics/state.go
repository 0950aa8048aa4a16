package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what is, at one moment.
type State struct {
	Started  time.Time
	Doors    int
	Clients  int
	Grants   map[string]int    // in force, by door
	Rings    map[string]Ring   // of the capture, by name
	Dropped  map[string]uint64 // packets that the kernel refused, by door; "" is every other closed port
	Journal  Journal
	Bans     int               // in force
	Moat     map[string]uint64 // datagrams that the filter in the kernel dropped, by reason
	Problems int               // that the status tells
}

// Ring counts packets of the capture.
type Ring struct{ Received, Lost uint64 }

// Journal reports how far the journal is behind.
type Journal struct {
	Waiting int           // events not yet written
	Lag     time.Duration // how long the latest ones waited until they were written
	Lost    uint64        // events that could not be written
}

// states asks for the state and tells it.
type states struct {
	now func() State
	all []*prometheus.Desc

	started, doors, clients, grants, received, lost, dropped,
	waiting, lag, journalLost, bans, moat, problems *prometheus.Desc
}

func newStates(now func() State) *states {
	s := &states{now: now}
	desc := func(id, help string, labels ...string) *prometheus.Desc {
		d := prometheus.NewDesc(name(id), help, labels, nil)
		s.all = append(s.all, d)
		return d
	}
	s.started = desc("start_time_seconds", "When the daemon started, in Unix time.")
	s.doors = desc("doors", "Doors of the configuration.")
	s.clients = desc("clients", "Clients of the configuration.")
	s.grants = desc("grants", "Grants in force, by door.", "door")
	s.received = desc("capture_received_total", "Packets that were captured, by ring.", "ring")
	s.lost = desc("capture_lost_total", "Packets for which a capture ring had no room.", "ring")
	s.dropped = desc("dropped_packets_total", "Packets to a door's ports that the kernel refused; an empty door is every other closed port.", "door")
	s.waiting = desc("journal_waiting", "Events that are not yet in the journal.")
	s.lag = desc("journal_lag_seconds", "How long the latest events waited until they were in the journal.")
	s.journalLost = desc("journal_lost_total", "Events that could not be put into the journal.")
	s.bans = desc("bans", "Sources that are banned now.")
	s.moat = desc("moat_dropped_total", "Datagrams that the filter in the kernel has dropped, by reason; they are in no other count.", "reason")
	s.problems = desc("problems", "Problems that sallyport status tells.")
	return s
}

// Describe implements prometheus.Collector.
func (s *states) Describe(to chan<- *prometheus.Desc) {
	for _, d := range s.all {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s *states) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	now := s.now()
	gauge(s.started, float64(now.Started.UnixMilli())/1000)
	gauge(s.doors, float64(now.Doors))
	gauge(s.clients, float64(now.Clients))
	for door, n := range now.Grants {
		gauge(s.grants, float64(n), door)
	}
	for ring, r := range now.Rings {
		count(s.received, r.Received, ring)
		count(s.lost, r.Lost, ring)
	}
	for door, n := range now.Dropped {
		count(s.dropped, n, door)
	}
	gauge(s.waiting, float64(now.Journal.Waiting))
	gauge(s.lag, now.Journal.Lag.Seconds())
	count(s.journalLost, now.Journal.Lost)
	gauge(s.bans, float64(now.Bans))
	for reason, n := range now.Moat {
		count(s.moat, n, reason)
	}
	gauge(s.problems, float64(now.Problems))
}
