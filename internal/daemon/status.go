//go:build linux

package daemon

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/lint"
)

// dropsEvery is how often the capture's losses are looked at.
const dropsEvery = time.Second

// Status reports what is guarded, granted and refused, as the kernel has it.
func (d *Daemon) Status(ctx context.Context) (control.Status, error) {
	cfg, now := d.config.Load(), time.Now()
	grants, all, err := d.ledger.InForce(ctx, now)
	if err != nil {
		return control.Status{}, fmt.Errorf("list grants: %w", err)
	}
	refused, err := d.firewall.Counters()
	if err != nil {
		return control.Status{}, err
	}
	stats, err := d.source.Stats()
	if err != nil {
		return control.Status{}, err
	}
	s := control.Status{
		Version: d.opts.Version, Config: cfg.Path, Started: d.started,
		Policy: string(cfg.Gate.Policy), Closed: string(cfg.Gate.Closed),
		Doors: make([]control.Door, 0, len(cfg.Doors)), Grants: grants,
		Refusals: d.events.Refused(), Dropped: refused.Total, Elsewhere: d.pump.Elsewhere(), Copies: d.pump.Copies(), Goroutines: runtime.NumGoroutine(),
		Labels: make(map[string]string), Capture: make(map[string]control.Ring), Problems: append([]string{}, slices.Concat(d.problems.All(), d.hostProblems(cfg), d.sequenceProblems(ctx, cfg))...),
	}
	s.Fleet = d.fleet.Status()
	if r := d.trial.Record(); r.Pending() {
		s.Trial = r.Until
	}
	s.Moat, s.Fwknop = d.moat.Status(), d.foreign.List()
	if d.countsContacts(cfg) {
		s.Moat.Sampled = d.pump.Sampled()
	}
	if s.Grants == nil {
		s.Grants = []event.Grant{}
	}
	if !all {
		s.Problems = append(s.Problems, "the grants of before the start are still being read: the list is not complete")
	}
	open, holders := make(map[string]int), make(map[string]bool)
	for _, g := range grants {
		open[g.Door]++
		holders[g.Client] = true
	}
	for _, door := range cfg.Doors {
		entry := control.Door{Name: door.Name, Label: door.Label, OpenFor: door.OpenFor.String(), Single: door.Single, Grants: open[door.Name]}
		for _, p := range door.Ports {
			entry.Ports = append(entry.Ports, p.String())
			entry.Dropped += refused.Doors[p]
		}
		s.Doors = append(s.Doors, entry)
	}
	for _, c := range cfg.Clients {
		if c.Label != "" && holders[c.Name] {
			s.Labels[c.Name] = c.Label
		}
	}
	for name, ring := range stats {
		s.Capture[name] = control.Ring{Received: ring.Received, Lost: ring.Lost, Late: ring.Late}
	}
	return s, nil
}

// hostProblems finds what on this host does not fit the configuration.
func (d *Daemon) hostProblems(cfg *config.Config) []string {
	var list []string
	if err := d.exposure.Look(cfg, d.host.Own()); err != nil {
		list = append(list, err.Error())
	}
	list = append(list, d.exposure.List()...)
	host := d.host.Gate()
	for _, door := range cfg.Doors {
		for _, knock := range door.Sequence {
			if slices.Contains(host.Listeners, knock) {
				list = append(list, fmt.Sprintf("something listens on %s, a knock of door %q: its visitors spoil sequences", knock, door.Name))
			}
		}
	}
	if err := d.journal.Stats().Problem; err != nil {
		list = append(list, err.Error())
	}
	for _, p := range lint.Broken(cfg, time.Now()) {
		list = append(list, fmt.Sprintf("%s: %s: %s", p.Place, p.Text, p.Remedy))
	}
	return list
}

// watchDrops reports when the capture loses packets.
func (d *Daemon) watchDrops(ctx context.Context) error {
	every := time.NewTicker(dropsEvery)
	defer every.Stop()
	lost := make(map[string]uint64)
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			stats, err := d.source.Stats()
			if err != nil {
				return err
			}
			for name, ring := range stats {
				if n := ring.Lost - lost[name]; n > 0 {
					d.events.Overload(now, name, n)
				}
				lost[name] = ring.Lost
			}
		}
	}
}
