//go:build !client_only

package main

import (
	"cmp"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/enrolled"
	"sallyport/internal/enrolled/kept"
)

// loadKnown reads a configuration with the clients that have enrolled themselves over
// it, as the daemon has them. Who may not read those sees the configuration alone.
func loadKnown(path string) (*config.Config, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	over, _ := withRecords(cfg)
	return over, nil
}

// withRecords is a configuration with the clients that have enrolled themselves, and
// what is left out of them.
func withRecords(cfg *config.Config) (*config.Config, []string) {
	list, bad, err := kept.Of(cfg.Daemon.StateDir).Read()
	if err != nil {
		return cfg, []string{err.Error()}
	}
	over, left := enrolled.Over(cfg, list)
	return over, append(bad, left...)
}

// records are the invites and enrolled clients of a configuration.
func records(cfg *config.Config) []enrolled.Record {
	list, _, err := kept.Of(cfg.Daemon.StateDir).Read()
	if err != nil {
		return nil
	}
	return list
}

// openInvites are those that can be used.
func openInvites(list []enrolled.Record, now time.Time) []enrolled.Record {
	open := slices.DeleteFunc(slices.Clone(list), func(r enrolled.Record) bool { return !r.Open(now) })
	slices.SortFunc(open, func(a, b enrolled.Record) int { return cmp.Compare(a.Name, b.Name) })
	return open
}
