//go:build linux

package daemon

import (
	"context"

	"sallyport/internal/config"
	"sallyport/internal/journal"
)

func journalOptions(cfg *config.Config) journal.Options {
	return journal.Options{Keep: cfg.Journal.Keep, MaxSize: cfg.Journal.MaxSize, Chain: cfg.Journal.Chain}
}

// keepJournal starts writing the journal and returns what ends it: the journal
// outlives the tasks, so that it holds the end of each. That it cannot be
// written stops nothing, and is told by the log, by the status and, when it can
// be written again, by itself.
func (d *Daemon) keepJournal() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.journal.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			d.log.Warn("what was left for the journal is lost", "error", err)
		}
	}
}
