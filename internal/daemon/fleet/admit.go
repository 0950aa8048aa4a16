//go:build linux

package fleet

import (
	"fmt"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/phrase"
)

// ruling is what is asked at each grant. It is not changed once it is there.
type ruling struct {
	clients map[string]bool          // of the fleet, as they are in force; true: with an operator's key
	revoked map[string]string        // why
	doors   map[string]time.Duration // how long each opens without etcd
	behind  string                   // why nothing new is given; empty: it is
}

// rule makes the ruling out of what is known and of the configuration in force; nil: the
// one of before is. When it returns, nobody gives any more by an older one.
func (f *Fleet) rule(cfg *config.Config) {
	next := &ruling{clients: map[string]bool{}, revoked: map[string]string{}, doors: map[string]time.Duration{}}
	before := f.ruling.Load()
	f.mu.Lock()
	if f.view != nil {
		for _, m := range f.view.Members() {
			if why, revoked := f.view.Revocation(m.Name); revoked {
				next.revoked[m.Name] = why
			}
		}
		next.behind = f.view.Behind()
	}
	if f.problem != "" {
		next.behind = f.problem
	}
	if cfg != nil {
		next.take(cfg, f.view)
	} else if before != nil {
		next.clients, next.doors = before.clients, before.doors
	}
	f.mu.Unlock()
	f.admission.Lock()
	f.ruling.Store(next)
	f.admission.Unlock()
}

// take takes who of the fleet is in force, and what the doors say.
func (r *ruling) take(cfg *config.Config, view *follow.View) {
	for i := range cfg.Clients {
		if c := &cfg.Clients[i]; follow.Is(cfg, c) {
			r.clients[c.Name] = view != nil && view.IsOperator(c.Name)
		}
	}
	for i := range cfg.Doors {
		r.doors[cfg.Doors[i].Name] = cfg.Doors[i].WithoutFleet
	}
}

// refuses returns why a client of the fleet gets nothing at a door; empty: it does.
func (r *ruling) refuses(client, door string, age time.Duration) (event.Reason, string) {
	operator, ours := r.clients[client]
	if !ours {
		return "", ""
	}
	if why, revoked := r.revoked[client]; revoked {
		return event.Revoked, why
	}
	if operator { // who mends etcd
		return "", ""
	}
	if r.behind != "" {
		return event.NoFleet, r.behind
	}
	if age > r.doors[door] {
		return event.NoFleet, fmt.Sprintf("etcd was heard of %s, and the door opens for clients of the fleet for %s without it", ago(age), phrase.Duration(r.doors[door]))
	}
	return "", ""
}

func ago(age time.Duration) string {
	if age == follow.Never {
		return "never since this gate has joined"
	}
	return phrase.Duration(age.Round(time.Second)) + " ago"
}

// Admission returns what is asked before each grant; nil: nothing is.
func (f *Fleet) Admission() func(event.Grant) (release func(), why event.Reason, detail string) {
	if f == nil {
		return nil
	}
	return f.Admit
}

// Admit is asked right before a grant is given. Without a reason it may be, until release
// is called: a revocation that comes meanwhile waits, and then finds the grant.
func (f *Fleet) Admit(g event.Grant) (release func(), why event.Reason, detail string) {
	if g.Holder != event.Named || g.Client == "" {
		return func() {}, "", ""
	}
	f.admission.RLock()
	if why, detail = f.ruling.Load().refuses(g.Client, g.Door, f.fresh.Load().Aged(now())); why != "" {
		f.admission.RUnlock()
		return func() {}, why, detail
	}
	return f.admission.RUnlock, "", ""
}

// enforceEvery is how often grants are looked at while etcd is away for too long. Those of
// before a start come into the book when they have been read.
const (
	lookEvery    = time.Second
	enforceEvery = 10 * time.Second
)

// enforce ends what clients of the fleet have, once etcd has been away for longer than the
// door says. It returns the doors that are closed to them.
func (f *Fleet) enforce(at follow.Now) (closed []string) {
	r := f.ruling.Load()
	age := f.fresh.Load().Aged(at)
	for _, d := range f.InForce().Doors {
		if age > r.doors[d.Name] {
			closed = append(closed, d.Name)
		}
	}
	if len(closed) == 0 || len(r.clients) == 0 {
		return closed
	}
	f.End(event.NoFleet, false, func(g event.Grant) bool {
		return age > r.doors[g.Door] && of(g, func(client string) bool { operator, ours := r.clients[client]; return ours && !operator })
	})
	return closed
}
