package storetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sallyport/internal/fleet/store"
)

// Watch implements store.Store.
func (d *Double) Watch(ctx context.Context, prefixes []string, from int64, take func(store.Batch) error) error {
	progress := time.NewTicker(store.ProgressEvery)
	defer progress.Stop()
	cluster, next := uint64(0), from
	if err := take(store.Batch{Seen: d.now()}); err != nil { // as the answer that the watch has begun
		return err
	}
	for {
		batch, changed, err := d.since(ctx, prefixes, next)
		switch {
		case err != nil:
			return err
		case cluster == 0:
			cluster = batch.Cluster
		case cluster != batch.Cluster:
			return fmt.Errorf("watch: %w", store.ErrUnreachable) // the servers were started again
		}
		if len(batch.Events) > 0 {
			if err := take(batch); err != nil {
				return err
			}
		}
		next = max(next, batch.Revision+1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-progress.C:
			batch, _, err := d.since(ctx, nil, next)
			if batch.Asked = time.Now(); err == nil {
				err = take(batch)
			}
			if err != nil {
				return err
			}
		}
	}
}

func (d *Double) now() store.Seen {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen()
}

// since returns what has changed from a revision on, and what is closed when there is
// more.
func (d *Double) since(ctx context.Context, prefixes []string, from int64) (b store.Batch, changed <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.sweep(ctx); err != nil {
		return b, nil, err
	}
	if from <= d.compacted {
		return b, nil, fmt.Errorf("watch: %w", store.ErrCompacted)
	}
	b.Seen = d.seen()
	for _, e := range d.log {
		for _, p := range prefixes {
			if e.Revision >= from && strings.HasPrefix(e.Key, p) {
				b.Events = append(b.Events, e)
				break
			}
		}
	}
	return b, d.changed, nil
}
