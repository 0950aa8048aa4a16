// Package archive is where the roll of a fleet lies in the store, how it is read from there,
// and how an entry is added. What it returns is what has been verified, from what the
// caller knew before; the store may lie, and then there is less of it.
package archive

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
)

// Keys in the store. Numbers have ten digits, so that the order of keys is theirs.
const (
	EntryPrefix = "roll/"  // roll/NUMBER: entries
	WholePrefix = "whole/" // whole/NUMBER/PART: the state that a checkpoint names, in parts
	JoinPrefix  = "join/"  // join/NAME: what a gate says that wants to belong to the fleet

	digits   = 10
	partSize = 512 << 10
	maxParts = roll.MaxState/partSize + 1

	// pageOf is how many entries are asked for at once: as many of the largest ones as an
	// answer holds.
	pageOf = store.MostMessage/roll.MaxEntry - 2
)

// Key is where an entry lies.
func Key(number uint64) string { return fmt.Sprintf("%s%0*d", EntryPrefix, digits, number) }

// NumberOf returns the number of the entry that lies under a key.
func NumberOf(key string) (uint64, bool) {
	text, ok := strings.CutPrefix(key, EntryPrefix)
	n, err := strconv.ParseUint(text, 10, 64)
	return n, ok && err == nil && Key(n) == key
}

func wholeKey(number uint64, part int) string {
	return fmt.Sprintf("%s%0*d/%03d", WholePrefix, digits, number, part)
}

// View is the roll as far as it counts.
type View struct {
	*roll.State
	Seen    store.Seen
	Problem error         // why what lies behind the head does not count; nil: nothing lies there
	Entries []*roll.Entry // those that were read and count, in their order
	Whole   []byte        // the state that the first of them names, if it is a checkpoint

	head, next int64 // revisions of what lies at the head, and behind it; 0: nothing
}

// ErrNone says that there is no roll, or less of it than was there before.
var ErrNone = errors.New("it is not in the store: the roll is gone, or older than it was")

// Found founds a fleet: it puts entry 0 where there is none.
func Found(ctx context.Context, s store.Store, e *roll.Entry) error {
	out, err := s.Commit(ctx, []store.If{{Key: Key(0)}}, []store.Write{{Key: Key(0), Value: e.Marshal()}})
	if err != nil {
		return fmt.Errorf("write entry 0: %w", err)
	}
	if !out.Done {
		return errors.New("there is a fleet in this store already")
	}
	return nil
}

// Load reads on from a state, or, where there is none, from what vouches for a head. The
// state stays as it is. An entry that does not count ends the roll: the view says why, and
// is good up to there. It is an error if the store cannot be read, or shows less than was
// known before, or another history.
func Load(ctx context.Context, s store.Store, known *roll.State, pin roll.Head) (*View, error) {
	from := pin.Number - pin.Number%roll.Interval
	if known != nil {
		pin, from = known.Head, known.Head.Number
	}
	v := &View{}
	list, err := v.read(ctx, s, from)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: %w", pin, ErrNone)
	}
	if known == nil {
		list, err = v.begin(ctx, s, list, pin)
	} else {
		list, err = v.goOn(ctx, s, list, known)
	}
	if err != nil {
		return nil, err
	}
	v.apply(list)
	return v, nil
}

// lying is what lies under the key of an entry.
type lying struct {
	*roll.Entry
	err      error // it is none
	number   uint64
	revision int64
}

// read reads what lies under the keys of entries from a number on. What lies under other
// keys is passed over.
func (v *View) read(ctx context.Context, s store.Store, from uint64) (list []lying, err error) {
	q := store.Query{Prefix: EntryPrefix, Most: pageOf}
	if from > 0 {
		q.After = Key(from - 1)
	}
	for pages := 0; ; pages++ {
		page, err := s.Read(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read the roll: %w", err)
		}
		if q.At == 0 {
			q.At, v.Seen = page.Revision, page.Seen
		}
		for _, r := range page.Records {
			if r.Key <= q.After {
				return nil, errors.New("read the roll: the store lists it in no order")
			}
			q.After = r.Key
			if n, ok := NumberOf(r.Key); ok {
				e, err := parse(r.Value, n)
				list = append(list, lying{e, err, n, r.Revision})
			}
		}
		if !page.More || len(page.Records) == 0 || pages > maxPages {
			return list, nil
		}
	}
}

// maxPages bounds what is read at once: no more is kept than two checkpoints are apart.
const maxPages = 4 * roll.Interval / pageOf

func parse(text []byte, n uint64) (*roll.Entry, error) {
	e, err := roll.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("entry %d: %w", n, err)
	case e.Number != n:
		return nil, fmt.Errorf("entry %d lies in the place of entry %d", e.Number, n)
	}
	return e, nil
}

// begin takes the entries up to a head that is vouched for, and returns the others.
func (v *View) begin(ctx context.Context, s store.Store, list []lying, pin roll.Head) ([]lying, error) {
	var upTo []*roll.Entry
	for len(list) > 0 && list[0].number <= pin.Number {
		if list[0].err != nil {
			return nil, list[0].err
		}
		upTo, v.head, list = append(upTo, list[0].Entry), list[0].revision, list[1:]
	}
	if len(upTo) == 0 || upTo[len(upTo)-1].Number < pin.Number {
		return nil, fmt.Errorf("%s: %w", pin, ErrNone)
	}
	text, err := whole(ctx, s, upTo[0])
	if err == nil {
		v.State, err = roll.Begin(pin, text, upTo)
	}
	v.Entries, v.Whole = upTo, text
	return list, err
}

// goOn makes sure that the head that is known is there still, or that a checkpoint has
// taken its place.
func (v *View) goOn(ctx context.Context, s store.Store, list []lying, known *roll.State) ([]lying, error) {
	first := list[0]
	switch {
	case first.err != nil:
		return nil, first.err
	case first.number == known.Head.Number && first.Head() != known.Head:
		return nil, fmt.Errorf("entry %d: %w", first.number, roll.ErrFork)
	case first.number == known.Head.Number:
		v.State, v.head = known.Clone(), first.revision
		return list[1:], nil
	}
	text, err := whole(ctx, s, first.Entry)
	if err == nil {
		v.State, err = known.Jump(first.Entry, text)
	}
	v.head = first.revision
	return list[1:], err
}

// apply takes entries until one does not count.
func (v *View) apply(list []lying) {
	for _, l := range list {
		err := l.err
		if l.number != v.Head.Number+1 {
			v.Problem = fmt.Errorf("entry %d: %w", l.number, roll.ErrGap)
			return
		}
		if err == nil {
			err = v.State.Apply(l.Entry)
		}
		if err != nil {
			v.Problem, v.next = err, l.revision
			return
		}
		v.head, v.Entries = l.revision, append(v.Entries, l.Entry)
	}
}

// whole reads the state that a checkpoint names; entry 0 needs none.
func whole(ctx context.Context, s store.Store, e *roll.Entry) ([]byte, error) {
	c, ok := e.Changes[0].(roll.Checkpoint)
	if !ok {
		return nil, nil
	}
	var text []byte
	q := store.Query{Prefix: fmt.Sprintf("%s%0*d/", WholePrefix, digits, e.Number), Most: store.MostMessage/partSize - 2}
	for {
		page, err := s.Read(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read the state of entry %d: %w", e.Number, err)
		}
		for _, r := range page.Records {
			if r.Key <= q.After || uint64(len(text)+len(r.Value)) > c.Size {
				return nil, fmt.Errorf("the state of entry %d is larger than its checkpoint says", e.Number)
			}
			text, q.After = append(text, r.Value...), r.Key
		}
		if !page.More || len(page.Records) == 0 {
			return text, nil
		}
	}
}

// Signers returns the names of those who have signed the entries of a view that was loaded
// without a known state.
func (v *View) Signers() ([]string, error) {
	first := v.Entries[0]
	state, err := roll.Begin(first.Head(), v.Whole, v.Entries[:1]) // what follows has vouched for it
	if err != nil {
		return nil, err
	}
	names := []string{state.SignedBy(first)}
	for _, e := range v.Entries[1:] {
		names = append(names, state.SignedBy(e))
		if err := state.Apply(e); err != nil {
			return nil, err
		}
	}
	return names, nil
}
