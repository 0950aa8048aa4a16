//go:build linux

package fleet

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/kept"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/store"
)

// Run follows the fleet until the context ends.
func (f *Fleet) Run(ctx context.Context) error {
	if !f.joined() {
		<-ctx.Done()
		return nil
	}
	f.begin(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.keep(ctx) })
	group.Go(func() error { return f.watchAge(ctx) })
	group.Go(func() error { return f.enforceBans(ctx) })
	group.Go(func() error { return f.lookUp(ctx) })
	group.Go(func() error { return f.followAll(ctx) })
	return group.Wait()
}

// begin brings into force what was known before the start: secrets could not be opened
// before there were server keys.
func (f *Fleet) begin(ctx context.Context) {
	known := false
	f.look(func(*follow.View) { known = true })
	if known {
		_ = f.enact(ctx) // fails at the end only
	}
}

// followAll follows etcd, and begins again after each break.
func (f *Fleet) followAll(ctx context.Context) error {
	var wait store.Backoff
	for ctx.Err() == nil {
		s, list, err := f.Open(f.config)
		f.noteCerts(list)
		if err == nil {
			err = f.connected(ctx, s, wait.Reset)
			f.reached.Store(nil)
			_ = s.Close() // what is lost with it is asked for again
		}
		if ctx.Err() != nil {
			return nil
		}
		f.away(err)
		select {
		case <-ctx.Done():
		case <-time.After(wait.Next()):
		}
	}
	return nil
}

// connected follows one connection until it breaks.
func (f *Fleet) connected(ctx context.Context, s store.Store, works func()) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.followOne(ctx, s, works) })
	group.Go(func() error { return f.beats(ctx, s) })
	group.Go(func() error { return f.flushing(ctx, s) })
	group.Go(func() error { return f.shares(ctx, s) })
	return group.Wait()
}

// followOne reads everything, then what changes.
func (f *Fleet) followOne(ctx context.Context, s store.Store, works func()) error {
	from, err := f.read(ctx, s)
	if err != nil {
		return err
	}
	works()
	f.reached.Store(&s) // not before: it may have been put back
	f.Problems.Clear(subjectStore)
	for {
		err := s.Watch(ctx, f.prefixes(), from, func(b store.Batch) error {
			if err := f.take(ctx, b); err != nil {
				return err
			}
			for _, e := range b.Events {
				from = max(from, e.Revision+1)
			}
			return nil
		})
		if !errors.Is(err, errReadAgain) && !errors.Is(err, store.ErrCompacted) {
			return err
		}
		if from, err = f.read(ctx, s); err != nil {
			return err
		}
	}
}

// prefixes are what is followed. Heartbeats are not: there would be too many.
func (f *Fleet) prefixes() []string {
	return []string{archive.EntryPrefix, record.GatePrefix, record.SecretKey(f.gate, "")}
}

// watchAge ends what clients of the fleet have when etcd has been away for too long.
func (f *Fleet) watchAge(ctx context.Context) error {
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	var closed []string
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case at := <-every.C:
			if len(closed) > 0 && at.Sub(last) < enforceEvery && !f.fresher() {
				continue
			}
			is := f.enforce(now())
			if len(is) > 0 {
				last = at
			}
			if !slices.Equal(is, closed) {
				f.noteClosed(is)
			}
			closed = is
		}
	}
}

// keepFresh is how often the disk is told that etcd is there.
const keepFresh = time.Minute

// keep keeps what is known on the disk.
func (f *Fleet) keep(ctx context.Context) error {
	every := time.NewTicker(keepFresh)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = f.folder.Seal(f.signs(), kept.FreshName, f.fresh.Load().Marshal()) // else the next start takes it for older
			return nil
		case <-f.dirty:
		case <-every.C:
			f.noteCerts(nil)
		}
		fresh := f.fresh.Load()
		f.mu.Lock()
		var known []byte
		if f.view != nil {
			known = f.view.Marshal()
		}
		f.mu.Unlock()
		var err error
		if known != nil {
			err = f.folder.Seal(f.signs(), kept.KnownName, known)
		}
		f.noteKept(errors.Join(err, f.folder.Seal(f.signs(), kept.FreshName, fresh.Marshal())))
	}
}
