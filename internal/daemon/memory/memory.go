//go:build linux

// Package memory keeps, on the disk, which steps of rotating sequences and which
// one-time sequences have been used, so that none of them ever opens again. Where it
// does not know, it counts them as used.
package memory

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/boot"
	"sallyport/internal/daemon/problems"
	"sallyport/internal/replay/disk"
	"sallyport/internal/sequence"
	"sallyport/internal/spent"
)

// Memory is what has been used. A nil memory keeps nothing.
type Memory struct {
	files *disk.Dir
	store *spent.Store
	guard *spent.Guard
}

// Guard returns what the gate asks. Once it has it, it is the gate's.
func (m *Memory) Guard() *spent.Guard { return m.guard }

// Record writes down what is used now. When it returns nil that is on the disk.
func (m *Memory) Record(r spent.Record) error { return m.store.Write(r) }

// Needed reports whether anything in a configuration opens only once.
func Needed(cfg *config.Config) bool {
	for i := range cfg.Doors {
		if cfg.Doors[i].SequencesFile != "" {
			return true
		}
	}
	return cfg.Rotates()
}

// Open opens the memory of a configuration's state_dir. What has been lost is noted
// as a problem. That it cannot be opened is an error where it is needed; elsewhere
// there is none.
func Open(cfg *config.Config, list *problems.List, log *slog.Logger) (*Memory, error) {
	m, err := open(cfg, list, log)
	if err != nil && !Needed(cfg) {
		log.Debug("the memory of used sequences", "error", err)
		return nil, nil
	}
	return m, err
}

func open(cfg *config.Config, list *problems.List, log *slog.Logger) (*Memory, error) {
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
			log.Warn("prepare the memory of used sequences", "error", err)
		}
	}
	now := time.Now()
	store, guard, notices := spent.Open(files, boot.ID(), sequence.StepAt(now)+1)
	m := &Memory{files, store, guard}
	if Needed(cfg) {
		until := time.Unix((guard.Floor()+1)*int64(sequence.Period/time.Second), 0)
		for _, n := range notices {
			list.Fail("spent", fmt.Sprintf("the memory of used sequences: %s: rotating sequences of before %s are refused, and of a minute after the clock is set forward",
				n, until.Format(time.TimeOnly)))
		}
	}
	if guard.Damaged() {
		list.Fail("one-time", m.burn(cfg))
	}
	return m, nil
}

// neverUsed reports whether no daemon has ever kept anything in this folder.
func neverUsed(dir string) bool {
	entries, err := os.ReadDir(dir)
	return errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0
}

// burn marks all one-time sequences as used, because nobody knows any more
// which of them are.
func (m *Memory) burn(cfg *config.Config) string {
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

// Close writes what is left.
func (m *Memory) Close() error {
	if m == nil {
		return nil
	}
	return errors.Join(m.store.Close(), m.files.Close())
}
