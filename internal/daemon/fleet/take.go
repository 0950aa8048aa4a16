//go:build linux

package fleet

import (
	"context"
	"errors"
	"time"

	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/follow"
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
		var did bool
		n, entry := archive.NumberOf(e.Key)
		if e.Deleted { // absence is no order
			if entry && n >= f.view.Roll.Head.Number {
				err = errReadAgain
				break
			}
			continue
		}
		if entry {
			did, err = f.entry(e.Value)
		} else {
			var wrong error
			if did, _, wrong = f.view.Take(e.Key, e.Value); wrong != nil && !f.stranger(wrong) {
				bad = append(bad, wrong.Error())
			}
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
		return errors.Join(f.enact(ctx), err)
	}
	return err
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
