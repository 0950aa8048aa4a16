package archive

import (
	"context"
	"errors"
	"fmt"

	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
)

// ErrLost says that another operator was faster: load again, and sign again.
var ErrLost = errors.New("another entry was added meanwhile")

// Append adds an entry behind what the view has seen, and to the view. What lies in its
// place and does not count, it replaces. After another error than ErrLost it is not known
// whether the entry was added: who loads again sees it.
func (v *View) Append(ctx context.Context, s store.Store, e *roll.Entry) error {
	next := v.State.Clone()
	if err := next.Apply(e); err != nil {
		return err // before anything is written
	}
	_, checkpoint := e.Changes[0].(roll.Checkpoint)
	if checkpoint {
		if err := writeWhole(ctx, s, e.Number, v.State.Marshal()); err != nil {
			return fmt.Errorf("write the state of entry %d: %w", e.Number, err)
		}
	}
	out, err := s.Commit(ctx, []store.If{{Key: Key(v.Head.Number), Revision: v.head}, {Key: Key(e.Number), Revision: v.next}},
		[]store.Write{{Key: Key(e.Number), Value: e.Marshal()}})
	if err != nil {
		return fmt.Errorf("write entry %d: %w", e.Number, err)
	}
	if !out.Done {
		return ErrLost
	}
	v.State, v.Problem, v.head, v.next, v.Entries = next, nil, out.Revision, 0, append(v.Entries, e)
	if checkpoint && e.Number > roll.Interval {
		return prune(ctx, s, e.Number-roll.Interval)
	}
	return nil
}

// Restore puts back what a store has lost: entries up to a head that is vouched for, and
// the state that the first of them names, as a View had them. What is there and counts
// stays, and if that is another history nothing is written. It returns how many entries
// were put back.
func Restore(ctx context.Context, s store.Store, pin roll.Head, whole []byte, entries []*roll.Entry) (int, error) {
	if _, err := roll.Begin(pin, whole, entries); err != nil {
		return 0, err
	}
	base := entries[0]
	v, err := Load(ctx, s, nil, base.Head())
	put := 0
	if errors.Is(err, ErrNone) {
		if err = lay(ctx, s, base, whole); err == nil {
			put++
			v, err = Load(ctx, s, nil, base.Head())
		}
	}
	if err != nil {
		return 0, err
	}
	for _, e := range entries[1:] {
		if e.Number <= v.Head.Number {
			if there := v.Entries[e.Number-base.Number]; there.Head() != e.Head() {
				return put, fmt.Errorf("entry %d: %w", e.Number, roll.ErrFork)
			}
			continue
		}
		if err := v.Append(ctx, s, e); err != nil {
			return put, err
		}
		put++
	}
	return put, nil
}

// lay puts an entry where none is, and beside it the state that it names.
func lay(ctx context.Context, s store.Store, e *roll.Entry, whole []byte) error {
	if err := writeWhole(ctx, s, e.Number, whole); err != nil {
		return err
	}
	out, err := s.Commit(ctx, []store.If{{Key: Key(e.Number)}}, []store.Write{{Key: Key(e.Number), Value: e.Marshal()}})
	if err == nil && !out.Done {
		err = fmt.Errorf("entry %d: %w", e.Number, roll.ErrFork)
	}
	return err
}

// writeWhole writes a state in parts that a request can hold.
func writeWhole(ctx context.Context, s store.Store, number uint64, text []byte) error {
	for part := 0; len(text) > 0; part++ {
		n := min(len(text), partSize)
		if _, err := s.Commit(ctx, nil, []store.Write{{Key: wholeKey(number, part), Value: text[:n]}}); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// maxDeleted is how much a transaction deletes at once; etcd takes 128 by default.
const maxDeleted = 100

// prune deletes what is older than the last checkpoint but one: between the last two,
// those who have slept or hold an older invitation can still follow each entry.
func prune(ctx context.Context, s store.Store, before uint64) error {
	for _, prefix := range []string{EntryPrefix, WholePrefix} {
		end := prefix + Key(before)[len(EntryPrefix):]
		for {
			page, err := s.Read(ctx, store.Query{Prefix: prefix, Most: pageOf})
			if err != nil {
				return fmt.Errorf("delete old entries: %w", err)
			}
			var writes []store.Write
			for _, r := range page.Records {
				if r.Key < end && len(writes) < maxDeleted {
					writes = append(writes, store.Write{Key: r.Key, Delete: true})
				}
			}
			if len(writes) == 0 {
				break
			}
			if _, err := s.Commit(ctx, nil, writes); err != nil {
				return fmt.Errorf("delete old entries: %w", err)
			}
		}
	}
	return nil
}
