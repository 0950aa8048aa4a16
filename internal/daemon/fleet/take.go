//go:build linux

package fleet

import (
	"context"
	"errors"

	"sallyport/internal/fleet/archive"
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
	f.heard()
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

// heard notes that etcd has been heard of just now.
func (f *Fleet) heard() {
	is := now().Heard()
	f.fresh.Store(&is)
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
