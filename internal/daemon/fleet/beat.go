//go:build linux

package fleet

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
)

const (
	beatEvery = 30 * time.Second
	aliveFor  = 90 * time.Second // without a heartbeat
	beatGap   = 100 * time.Millisecond
)

// beats says how this gate is: when that changes, and twice a minute.
func (f *Fleet) beats(ctx context.Context, s store.Store) error {
	every := time.NewTicker(beatEvery)
	defer every.Stop()
	var lease store.Lease
	for {
		var err error
		if lease, err = f.say(ctx, s, lease); err != nil && ctx.Err() == nil {
			f.Problems.Note(subjectBeat, "the other gates do not hear how this one is: "+err.Error())
		} else {
			f.Problems.Clear(subjectBeat)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		case <-f.beat:
			select { // what changes together is said together
			case <-ctx.Done():
				return nil
			case <-time.After(beatGap):
			}
		}
	}
}

const subjectBeat = "fleet heartbeat"

// say writes the heartbeat under a lease, the one of before if that still lasts.
func (f *Fleet) say(ctx context.Context, s store.Store, lease store.Lease) (store.Lease, error) {
	b, fleet, ok := f.beatNow()
	if !ok {
		return lease, nil
	}
	if lease != 0 {
		if err := s.KeepAlive(ctx, lease); errors.Is(err, store.ErrNoLease) {
			lease = 0
		} else if err != nil {
			return lease, err
		}
	}
	var err error
	if lease == 0 {
		if lease, err = s.Lease(ctx, aliveFor); err != nil {
			return 0, err
		}
	}
	at := record.BeatKey(f.gate)
	if _, err = s.Commit(ctx, nil, []store.Write{{Key: at, Value: record.Sign(f.signs(), fleet, at, b), Lease: lease}}); errors.Is(err, store.ErrNoLease) {
		return 0, err
	}
	return lease, err
}

// beatNow is how this gate is; false: the roll does not know it, and nobody would hear it.
func (f *Fleet) beatNow() (b record.Beat, fleet roll.Hash, ok bool) {
	var doors []string
	for _, d := range f.InForce().Doors {
		doors = append(doors, d.Name)
	}
	slices.Sort(doors)
	sum := sha256.Sum256([]byte(strings.Join(doors, "\n")))
	b = record.Beat{At: time.Now(), Version: version(f.Version), Doors: [8]byte(sum[:8]), Started: f.started, Behind: f.ruling.Load().behind != "",
		Problems: uint16(min(len(f.Problems.All()), 1<<16-1))}
	f.look(func(v *follow.View) {
		b.Head, fleet, ok = v.Roll.Head, v.Roll.Fleet, v.Key().Equal(f.signs().Public())
	})
	return b, fleet, ok
}

// version is what fits into a heartbeat.
func version(text string) string { return text[:min(len(text), 32)] }
