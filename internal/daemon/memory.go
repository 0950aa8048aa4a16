//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/boot"
	"sallyport/internal/replay/disk"
	"sallyport/internal/sequence"
	"sallyport/internal/spent"
)

// memory is what the daemon keeps of rotating and one-time sequences that have
// been used.
type memory struct {
	files *disk.Dir
	store *spent.Store
	guard *spent.Guard // the gate's, once it has been given to it
}

// needsMemory tells whether anything in the configuration opens only once.
func needsMemory(cfg *config.Config) bool {
	for i := range cfg.Doors {
		if cfg.Doors[i].SequencesFile != "" {
			return true
		}
	}
	return cfg.Rotates()
}

// prepareMemory opens the memory, if it is not open yet. It does so at the start
// even if nothing needs it, and before anything else is put into state_dir: a
// memory that has always been there has lost nothing when it is needed.
func (d *Daemon) prepareMemory(_ context.Context, c *change) (step, error) {
	if c.memory = d.memory.Load(); c.memory != nil {
		return step{}, nil
	}
	m, err := d.openMemory(c.to)
	if err != nil && needsMemory(c.to) {
		return step{}, err
	}
	if err != nil {
		d.log.Debug("the memory of used sequences", "error", err)
		return step{}, nil
	}
	c.memory = m
	return step{
		commit: func() { d.memory.Store(m) },
		abort:  func() { _ = m.close() }, // nobody has used it
	}, nil
}

func (d *Daemon) openMemory(cfg *config.Config) (*memory, error) {
	dir := cfg.Daemon.StateDir
	first := neverUsed(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state_dir: %w", err)
	}
	files, err := disk.Open(filepath.Join(dir, "spent"))
	if err != nil {
		return nil, err
	}
	if first {
		if err := spent.Create(files); err != nil {
			d.log.Warn("prepare the memory of used sequences", "error", err)
		}
	}
	now := time.Now()
	store, guard, notices := spent.Open(files, boot.ID(), sequence.StepAt(now)+1)
	m := &memory{files, store, guard}
	if needsMemory(cfg) {
		until := time.Unix((guard.Floor()+1)*int64(sequence.Period/time.Second), 0)
		for _, n := range notices {
			d.problems.Fail("spent", fmt.Sprintf("the memory of used sequences: %s: rotating sequences of before %s are refused, and of a minute after the clock is set forward",
				n, until.Format(time.TimeOnly)))
		}
	}
	if guard.Damaged() {
		d.problems.Fail("one-time", m.burn(cfg))
	}
	return m, nil
}

// neverUsed tells whether no daemon has ever kept anything in this folder.
func neverUsed(dir string) bool {
	entries, err := os.ReadDir(dir)
	return errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0
}

// burn marks all one-time sequences as used, because nobody knows any more
// which of them are.
func (m *memory) burn(cfg *config.Config) string {
	n := 0
	for _, door := range cfg.Doors {
		for _, o := range door.OneTime {
			record := spent.Sequence(door.Name, o.Knocks)
			m.guard.Use(record)
			_ = m.store.Write(record) // else it is done again at the next start
			n++
		}
	}
	return fmt.Sprintf("nobody knows which one-time sequences have been used, so all %d count as used: make new ones", n)
}

func (m *memory) close() error {
	if m == nil {
		return nil
	}
	return errors.Join(m.store.Close(), m.files.Close())
}

// keepPlan follows the steps of the rotating sequences.
func (d *Daemon) keepPlan(ctx context.Context) error {
	return d.pump.KeepPlan(ctx, func() bool { return d.config.Load().Rotates() })
}

// sequenceProblems finds what is wrong with sequences that change: overdue,
// used up, or out of reach.
func (d *Daemon) sequenceProblems(ctx context.Context, cfg *config.Config) []string {
	var list []string
	for _, o := range cfg.Overdue(time.Now()) {
		list = append(list, o.Place.String()+": "+o.String())
	}
	if left, err := d.pump.OneTimeLeft(ctx); err == nil {
		for i := range cfg.Doors {
			door := &cfg.Doors[i]
			if n, has := left[door.Name]; has && n == 0 && len(door.OneTime) > 0 {
				list = append(list, fmt.Sprintf("door %q: every one-time sequence has been used: add new ones to %s", door.Name, door.SequencesFile))
			}
		}
	}
	if first := d.host.gate().Ephemeral[0]; cfg.Rotates() && cfg.Rotating.Protos != sequence.OnlyTCP && first <= cfg.Rotating.Last {
		list = append(list, fmt.Sprintf("rotating sequences have UDP ports up to %d, but from %d on (net.ipv4.ip_local_port_range) replies to this host arrive: such knocks do not count; set ports in [rotating]", cfg.Rotating.Last, first))
	}
	return list
}
