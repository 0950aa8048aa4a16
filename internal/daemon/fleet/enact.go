//go:build linux

package fleet

import (
	"context"

	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/seal"
	"sallyport/internal/sequence"
)

// enact puts into force what has changed: first nobody gives any more to those who are
// out, then what they have ends, then everything else learns of it.
func (f *Fleet) enact(ctx context.Context) error {
	f.rule(nil)
	r := f.ruling.Load()
	out := make(map[string]bool)
	f.mu.Lock()
	f.withoutBans(f.view.Roll)
	for name := range r.clients {
		_, there := f.view.Roll.Clients[name]
		_, revoked := r.revoked[name]
		if !there || revoked {
			out[name] = true
		}
	}
	f.mu.Unlock()
	if len(out) > 0 {
		f.End(event.Revoked, true, func(g event.Grant) bool { return of(g, func(client string) bool { return out[client] }) })
	}
	f.noteSelf()
	poke(f.dirty)
	f.Changing.Lock()
	defer f.Changing.Unlock()
	if err := f.Bring(ctx); err != nil {
		return err // the daemon stops
	}
	poke(f.beat)
	return nil
}

// of reports whether a grant is one of certain clients'. One whose owner is not known is
// everybody's.
func of(g event.Grant, clients func(string) bool) bool {
	return g.Holder == event.Anyone || g.Holder == event.Named && clients(g.Client)
}

// opened is a secret that has been opened, and what it was opened from.
type opened struct {
	by     roll.Hash
	sealed string
	secret sequence.Secret
}

// secret returns a client's secret for rotating sequences, the zero one if there is none
// for this gate. It holds mu. Opening takes about 100 µs, so what was opened is kept.
func (f *Fleet) secret(m roll.Member) sequence.Secret {
	sealed := f.view.Secret(m.Name)
	if len(sealed) == 0 || m.Secrets == (roll.Hash{}) {
		delete(f.secrets, m.Name)
		return sequence.Secret{}
	}
	if o, known := f.secrets[m.Name]; known && o.by == m.Secrets && o.sealed == string(sealed) {
		return o.secret
	}
	s, err := seal.Open(f.Keys(), m.Secrets, seal.Place{Fleet: f.view.Roll.Fleet, Gate: f.gate, Client: m.Name}, sealed)
	if err != nil {
		return sequence.Secret{} // the layer says that there is none
	}
	f.secrets[m.Name] = opened{m.Secrets, string(sealed), s}
	return s
}

// Status is how the gate stands in its fleet; nil: it stands alone.
func (f *Fleet) Status() *control.Fleet {
	if f == nil {
		return nil
	}
	r := f.ruling.Load()
	s := &control.Fleet{Gate: f.gate, Heard: ago(f.fresh.Load().Aged(now())), Clients: len(r.clients), Revoked: len(r.revoked), Behind: r.behind}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Waiting = len(f.queue)
	if f.view != nil {
		head := f.view.Roll.Head
		s.Entry, s.Hash, s.Gates = head.Number, head.Hash.String(), len(f.view.Roll.Gates)
	}
	return s
}

// look shows what is known to those who only look, if anything is.
func (f *Fleet) look(do func(*follow.View)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.view != nil {
		do(f.view)
	}
}
