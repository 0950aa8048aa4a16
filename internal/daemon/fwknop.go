//go:build linux

package daemon

import (
	"slices"
	"strings"
	"sync"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
)

// foreign counts who gets in with fwknop, so that it can be seen when nobody does
// any more. It is a sink.
type foreign struct {
	mu   sync.Mutex
	used map[string]control.FwknopUse // by client; those of the configuration
}

func (f *foreign) heard(e event.Event) {
	if e.Kind != event.KindGrant || e.Reason != event.ByFwknop {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	u, ok := f.used[e.Client]
	if !ok {
		return // removed meanwhile
	}
	u.Grants++
	u.Last = e.Time
	f.used[e.Client] = u
}

// configure keeps the counts of clients that still have keys of fwknop's.
func (f *foreign) configure(cfg *config.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	used := make(map[string]control.FwknopUse)
	for _, c := range cfg.Clients {
		if c.Fwknop != nil {
			u := f.used[c.Name]
			u.Client = c.Name
			used[c.Name] = u
		}
	}
	f.used = used
}

// list returns them by name.
func (f *foreign) list() []control.FwknopUse {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]control.FwknopUse, 0, len(f.used))
	for _, u := range f.used {
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b control.FwknopUse) int { return strings.Compare(a.Client, b.Client) })
	return list
}
