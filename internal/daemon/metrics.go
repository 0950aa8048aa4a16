//go:build linux

package daemon

import (
	"context"
	"time"

	"sallyport/internal/daemon/services"
	"sallyport/internal/metrics"
)

// metricsServices answer Prometheus, where the configuration says so.
func (d *Daemon) metricsServices(c *change) []services.Service {
	at := c.to.Metrics.Listen
	if at == "" {
		return nil
	}
	return []services.Service{{Subject: "metrics", Key: "metrics at " + at, Open: func() (services.Opened, error) {
		l, err := metrics.Listen(at)
		if err != nil {
			return services.Opened{}, err
		}
		return services.Opened{Run: func(ctx context.Context) error { return d.metrics.Serve(ctx, l) }, Close: l.Close}, nil
	}}}
}

// state is what Prometheus is told. Grants are counted in the book: asking the
// kernel takes seconds where there are very many.
func (d *Daemon) state() metrics.State {
	cfg, stats := d.config.Load(), d.journal.Stats()
	s := metrics.State{
		Started:  d.started,
		Doors:    len(cfg.Doors),
		Clients:  len(cfg.Clients),
		Grants:   d.book.Count(),
		Rings:    make(map[string]metrics.Ring),
		Dropped:  make(map[string]uint64),
		Bans:     d.bans.Count(time.Now()),
		Moat:     make(map[string]uint64),
		Journal:  metrics.Journal{Waiting: stats.Queued, Lag: stats.Lag, Lost: stats.Lost},
		Problems: len(d.problems.All()) + len(d.hostProblems(cfg)),
	}
	if rings, err := d.source.Stats(); err == nil {
		for name, r := range rings {
			s.Rings[name] = metrics.Ring{Received: r.Received, Lost: r.Lost}
		}
	}
	for reason, n := range d.moat.Status().Dropped {
		s.Moat[string(reason)] = n
	}
	if refused, err := d.firewall.Counters(); err == nil {
		other := refused.Total
		for _, door := range cfg.Doors {
			if _, ok := s.Grants[door.Name]; !ok {
				s.Grants[door.Name] = 0
			}
			for _, p := range door.Ports {
				s.Dropped[door.Name] += refused.Doors[p]
				other -= min(other, refused.Doors[p])
			}
		}
		s.Dropped[""] = other
	}
	return s
}
