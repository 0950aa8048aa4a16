package gate

import (
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

// lost finds the grants that were given for what a configuration does not take any
// more: a key, a secret or a sequence. Of a grant that is everybody's nobody knows
// what it was given for: it ends with whatever opened its door before.
type lost struct {
	clients map[string][]event.Proof // what each can prove himself with
	static  map[string][]event.Proof // what opens each door without a client
	any     map[string]bool          // doors for which something has ended that was there before
}

// newLost takes the configuration and the one before, nil if that is not known.
func newLost(cfg, before *config.Config, now time.Time) lost {
	l := lost{make(map[string][]event.Proof), make(map[string][]event.Proof), make(map[string]bool)}
	for i := range cfg.Doors {
		door := &cfg.Doors[i]
		l.static[door.Name] = static(cfg, door, now)
	}
	for i := range cfg.Clients {
		l.clients[cfg.Clients[i].Name] = proofs(&cfg.Clients[i], now)
	}
	if before != nil {
		l.compare(cfg, before, now)
	}
	return l
}

// compare finds the doors of which someone has lost something.
func (l lost) compare(cfg, before *config.Config, now time.Time) {
	for i := range before.Doors {
		was := &before.Doors[i]
		l.any[was.Name] = !contains(l.static[was.Name], static(before, was, now))
	}
	doors := make(map[string][]string, len(cfg.Clients))
	for i := range cfg.Clients {
		doors[cfg.Clients[i].Name] = cfg.Clients[i].Doors
	}
	for i := range before.Clients {
		was := &before.Clients[i]
		changed := !contains(l.clients[was.Name], proofs(was, now))
		for _, door := range was.Doors {
			if changed || !slices.Contains(doors[was.Name], door) {
				l.any[door] = true
			}
		}
	}
}

// contains reports whether all of some proofs are in a list.
func contains(list, some []event.Proof) bool {
	return !slices.ContainsFunc(some, func(p event.Proof) bool { return !slices.Contains(list, p) })
}

// has reports whether a grant was given for what is lost, or may have been.
func (l lost) has(g event.Grant) bool {
	switch {
	case g.Holder == event.Operator:
		return false
	case g.Holder == event.Anyone:
		return l.any[g.Door]
	case g.Client == "":
		return !slices.Contains(l.static[g.Door], g.Proof)
	}
	return !slices.Contains(l.clients[g.Client], g.Proof)
}
