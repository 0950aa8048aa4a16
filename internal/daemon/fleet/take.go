//go:build linux

package fleet

import (
	"context"
	"errors"
	"time"

	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
)

// errReadAgain says that what was watched does not join on to what is known.
var errReadAgain = errors.New("entries are missing: all is read again")

// take takes what has changed.
func (f *Fleet) take(ctx context.Context, b store.Batch) error {
	var bad []string
	var err error
	changed := false
	if !b.Asked.IsZero() {
		f.heard(now().Asked(b.Age(time.Now())))
	}
	f.mu.Lock()
	for _, e := range b.Events {
		n, entry := archive.NumberOf(e.Key)
		did := false
		switch {
		case e.Deleted && entry && n >= f.view.Roll.Head.Number:
			err = errReadAgain
		case e.Deleted: // absence is no order
		case entry:
			did, err = f.entry(e.Value)
		default:
			did = f.record(e.Record, &bad)
		}
		if changed = changed || did; err != nil {
			break
		}
	}
	if err == nil && b.Revision > f.view.Seen.Revision && len(b.Events) > 0 {
		f.view.Seen = b.Seen
	}
	f.mu.Unlock()
	if len(bad) > 0 {
		f.noteBad(bad)
	}
	if changed {
		err = errors.Join(f.enact(ctx), err)
	}
	f.giveHeard()
	return err
}

// record takes what a gate has written, or what is sealed to this one, and reports whether
// that has changed anything. Grants are given once all that was written before them is in
// force. It holds mu.
func (f *Fleet) record(r store.Record, bad *[]string) (changed bool) {
	changed, what, err := f.view.Take(r.Key, r.Value)
	if err != nil && !f.stranger(err) {
		*bad = append(*bad, err.Error())
	}
	by, _ := record.Signer(r.Key)
	switch what := what.(type) {
	case record.Grant:
		if len(f.given) < maxSharing {
			f.given = append(f.given, heardGrant{what, f.view.Roll.Gates[by]})
		}
	case record.Ban:
		if err := f.banned(follow.Banned{Ban: what, By: by}); err != nil {
			*bad = append(*bad, err.Error())
		}
	}
	return changed
}

// giveHeard gives what other gates have given.
func (f *Fleet) giveHeard() {
	f.mu.Lock()
	list := f.given
	f.given = nil
	f.mu.Unlock()
	for _, h := range list {
		f.give(h)
	}
}

// heard notes since when what etcd says is known to be so, unless something later is known.
func (f *Fleet) heard(since follow.Fresh) {
	if at := now(); since.Aged(at) < f.fresh.Load().Aged(at) {
		f.fresh.Store(&since)
	}
}

// entry takes an entry of the roll. It holds mu.
func (f *Fleet) entry(value []byte) (bool, error) {
	e, err := roll.Parse(value)
	if err != nil {
		return false, errReadAgain
	}
	next := f.view.Roll.Clone()
	switch err := next.Apply(e); {
	case errors.Is(err, roll.ErrOld):
		return false, nil
	case err != nil:
		return false, errReadAgain // which says what is wrong
	}
	f.view.Advance(next)
	for gate := range f.unknown {
		if _, there := next.Gates[gate]; there {
			return true, errReadAgain // what it has said before
		}
	}
	return true, nil
}
