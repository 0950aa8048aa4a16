//go:build linux

package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
)

// read reads all that the gate needs, and returns the revision from which to follow.
func (f *Fleet) read(ctx context.Context, s store.Store) (from int64, err error) {
	began := now().Heard()
	f.mu.Lock()
	var known *roll.State
	if f.view != nil {
		known = f.view.Roll
	}
	f.mu.Unlock()
	loaded, err := archive.Load(ctx, s, known, f.pin)
	if errors.Is(err, archive.ErrNone) || errors.Is(err, roll.ErrFork) {
		f.distrust(err)
	}
	if err != nil {
		return 0, err
	}
	records, err := f.list(ctx, s, loaded.Seen.Revision)
	if err != nil {
		return 0, err
	}
	f.noteBad(f.takeAll(loaded, records))
	f.heard(began)
	f.Problems.Clear(subject)
	err = f.enact(ctx)
	f.giveHeard()
	return loaded.Seen.Revision + 1, err
}

// takeAll takes what was read, and returns what of it does not count.
func (f *Fleet) takeAll(loaded *archive.View, records []store.Record) (bad []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if loaded.Problem != nil {
		bad = append(bad, "what lies behind the roll does not count: "+loaded.Problem.Error())
	}
	if f.view == nil {
		f.view = follow.New(f.gate, loaded.State)
	} else {
		f.view.Advance(loaded.State)
	}
	f.replaced(loaded.Seen)
	f.view.Seen, f.problem, f.unknown = loaded.Seen, "", map[string]bool{}
	there := make(map[string]bool, len(records))
	for _, r := range records {
		there[r.Key] = true
		f.record(r, &bad)
	}
	if err := f.sayAgain(there); err != nil {
		bad = append(bad, err.Error())
	}
	return bad
}

// sayAgain has etcd take again what this gate has revoked and what is not there any more:
// it was put back, and other gates may not have heard of it. It holds mu.
func (f *Fleet) sayAgain(there map[string]bool) error {
	for _, rev := range f.view.Own() {
		if there[record.RevokedKey(f.gate, rev.Client)] {
			continue
		}
		if err := f.enqueue(rev); err != nil {
			return err
		}
		poke(f.again)
	}
	return nil
}

// mostListed bounds what is read at once: no fleet that can be has more.
const mostListed = 1_000_000

// list reads what gates have written.
func (f *Fleet) list(ctx context.Context, s store.Store, at int64) (list []store.Record, err error) {
	for _, prefix := range append(f.prefixes()[1:], record.BeatPrefix) {
		_, err := store.All(ctx, s, prefix, at, func(r store.Record) error {
			if list = append(list, r); len(list) > mostListed {
				return fmt.Errorf("etcd holds more than %d records of gates", mostListed)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// distrust says that etcd shows less than was known, or another history. Nothing that was
// known is forgotten, nothing new is given, and the time without etcd goes on.
func (f *Fleet) distrust(err error) {
	f.mu.Lock()
	before := f.problem
	f.problem = "etcd does not show the roll that this gate knows: " + err.Error()
	text := f.problem
	f.mu.Unlock()
	f.rule(nil)
	if before != text {
		f.Problems.Fail(subject, text+"; what was known goes on to hold, and nothing new is given to clients of the fleet")
	}
}

// replaced reports that etcd is another one than before, or was put back. It holds mu.
func (f *Fleet) replaced(seen store.Seen) {
	before := f.view.Seen
	if before != (store.Seen{}) && (before.Cluster != seen.Cluster || seen.Revision < before.Revision) {
		until := time.Now().Add(f.InForce().SPA.Window())
		f.refuseUntil.Store(&until)
	}
	switch {
	case before == (store.Seen{}):
	case before.Cluster != seen.Cluster:
		f.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: fmt.Sprintf("etcd is another cluster than before (%x, it was %x): if nobody has put it back, look at its servers", seen.Cluster, before.Cluster)})
	case seen.Revision < before.Revision:
		f.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: fmt.Sprintf("etcd was put back: it shows revision %d, and had %d before", seen.Revision, before.Revision)})
	}
}

// maxUnknown bounds how many gates are remembered that the roll does not know.
const maxUnknown = 1000

// stranger reports whether something is of a gate that the roll does not know: it may not
// know it yet, and then it is read again. It holds mu.
func (f *Fleet) stranger(err error) bool {
	no := (*follow.NoGate)(nil)
	if !errors.As(err, &no) {
		return false
	}
	if len(f.unknown) < maxUnknown {
		f.unknown[no.Name] = true
	}
	return true
}
