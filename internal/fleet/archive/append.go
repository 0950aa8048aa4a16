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
	v.State, v.Problem, v.head, v.next = next, nil, out.Revision, 0
	if checkpoint && e.Number > roll.Interval {
		return prune(ctx, s, e.Number-roll.Interval)
	}
	return nil
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
