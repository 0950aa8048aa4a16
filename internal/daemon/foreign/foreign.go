//go:build linux

// Package foreign counts who gets in with fwknop's client, so that it can be seen when
// nobody does any more.
package foreign

import (
	"slices"
	"strings"
	"sync"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
)

// Uses hears of grants as a sink. The zero Uses know no client.
type Uses struct {
	mu   sync.Mutex
	used map[string]control.FwknopUse // by client; those of the configuration
}

// Heard is the sink.
func (u *Uses) Heard(e event.Event) {
	if e.Kind != event.KindGrant || e.Reason != event.ByFwknop {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	use, ok := u.used[e.Client]
	if !ok {
		return // removed meanwhile
	}
	use.Grants++
	use.Last = e.Time
	u.used[e.Client] = use
}

// Configure keeps the counts of clients that still have keys of fwknop's.
func (u *Uses) Configure(cfg *config.Config) {
	u.mu.Lock()
	defer u.mu.Unlock()
	used := make(map[string]control.FwknopUse)
	for _, c := range cfg.Clients {
		if c.Fwknop != nil {
			use := u.used[c.Name]
			use.Client = c.Name
			used[c.Name] = use
		}
	}
	u.used = used
}

// List returns them by name.
func (u *Uses) List() []control.FwknopUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := make([]control.FwknopUse, 0, len(u.used))
	for _, use := range u.used {
		list = append(list, use)
	}
	slices.SortFunc(list, func(a, b control.FwknopUse) int { return strings.Compare(a.Client, b.Client) })
	return list
}
