package desk

import (
	"context"
	"fmt"
	"time"

	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
)

// Standing is how a gate of the roll is, by its own word.
type Standing struct {
	Name string
	Gate roll.Gate
	Beat *record.Beat // nil: it is not there, or what it says is not signed by it
}

// Standings returns how all gates of the roll are, in the order of their names.
func (d *Desk) Standings(ctx context.Context) ([]Standing, error) {
	beats := make(map[string]*record.Beat, len(d.View.Gates))
	_, err := store.All(ctx, d.Store, record.BeatPrefix, 0, func(r store.Record) error {
		name, ok := record.Signer(r.Key)
		g, there := d.View.Gates[name]
		if !ok || !there {
			return nil
		}
		if found, err := record.Open(g.Key, d.View.Fleet, r.Key, r.Value); err == nil {
			if b, ok := found.(record.Beat); ok {
				beats[name] = &b
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read how the gates are: %w", err)
	}
	list := make([]Standing, 0, len(d.View.Gates))
	for _, name := range Names(d.View.Gates) {
		list = append(list, Standing{name, d.View.Gates[name], beats[name]})
	}
	return list, nil
}

// At reports whether an entry is in force at the gate.
func (s Standing) At(number uint64) bool { return s.Beat != nil && s.Beat.Head.Number >= number }

// Await asks until an entry is in force at all gates or the context ends, and returns the
// gates at which it is not.
func (d *Desk) Await(ctx context.Context, number uint64) (missing []string, err error) {
	for {
		list, err := d.Standings(ctx)
		if err != nil && ctx.Err() == nil {
			return Names(d.View.Gates), err
		}
		if err == nil {
			missing = missing[:0]
			for _, s := range list {
				if !s.At(number) {
					missing = append(missing, s.Name)
				}
			}
			if len(missing) == 0 {
				return nil, nil
			}
		}
		select {
		case <-ctx.Done():
			return missing, nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}
