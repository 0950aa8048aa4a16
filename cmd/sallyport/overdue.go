package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/spent"
)

// dueWarnings tells which secrets are to be changed: those that are older than
// rotation_due, and lists of one-time sequences that have been used up, as far
// as the daemon's memory of them can be read.
func dueWarnings(cfg *config.Config, now time.Time) []config.Warning {
	var list []config.Warning
	for _, o := range cfg.Overdue(now) {
		list = append(list, config.Warning{Place: o.Place, Text: o.String()})
	}
	data, err := os.ReadFile(filepath.Join(cfg.Daemon.StateDir, "spent", spent.FileName))
	if err != nil {
		return list
	}
	used := spent.Read(data)
	for i := range cfg.Doors {
		if d := &cfg.Doors[i]; len(d.OneTime) > 0 && usedUp(used, d) {
			list = append(list, config.Warning{Place: d.Place, Text: fmt.Sprintf("door %q: every one-time sequence has been used: add new ones to %s", d.Name, d.SequencesFile)})
		}
	}
	return list
}

func usedUp(used *spent.Guard, d *config.Door) bool {
	for _, o := range d.OneTime {
		if !used.Used(spent.Sequence(d.Name, o.Knocks)) {
			return false
		}
	}
	return true
}
