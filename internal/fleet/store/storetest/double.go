// Package storetest has a store in memory, for tests of what uses one. It obeys the
// contract that the real one does, which Contract checks for both.
package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/internal/fleet/store"
)

// Double is a store in memory. Several gates of a test share one.
type Double struct {
	mu        sync.Mutex
	cluster   uint64
	revision  int64
	compacted int64 // changes up to here are no longer kept
	records   map[string]store.Record
	leases    map[string]store.Lease // by key
	ends      map[store.Lease]time.Time
	ttl       map[store.Lease]time.Duration
	log       []store.Event
	changed   chan struct{} // closed at each change
	failing   error
}

// New returns an empty store.
func New() *Double {
	return &Double{cluster: 1, revision: 1, records: make(map[string]store.Record), leases: make(map[string]store.Lease),
		ends: make(map[store.Lease]time.Time), ttl: make(map[store.Lease]time.Duration), changed: make(chan struct{})}
}

var _ store.Store = (*Double)(nil)

// Fail makes everything fail with an error until it is called with nil.
func (d *Double) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = err
	d.wake()
}

// Compact forgets the changes of before now.
func (d *Double) Compact() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.compacted, d.log = d.revision, nil
	d.wake()
}

// Snapshot returns a copy of the store as it is; Restore puts one in the place of what
// there is, as another cluster.
func (d *Double) Snapshot() *Double {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := New()
	s.cluster, s.revision, s.records = d.cluster, d.revision, maps.Clone(d.records)
	return s
}

// Restore puts a snapshot back.
func (d *Double) Restore(s *Double) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cluster, d.revision, d.records = d.cluster+1, s.revision, maps.Clone(s.records)
	d.compacted, d.log = d.revision, nil
	d.wake()
}

// Wipe deletes every record without a trace, as one who has stolen the servers could.
func (d *Double) Wipe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records, d.log, d.compacted = make(map[string]store.Record), nil, d.revision
	d.wake()
}

func (d *Double) wake() { close(d.changed); d.changed = make(chan struct{}) }

func (d *Double) seen() store.Seen { return store.Seen{Cluster: d.cluster, Revision: d.revision} }

// Read implements store.Store.
func (d *Double) Read(ctx context.Context, q store.Query) (store.Page, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.sweep(ctx); err != nil {
		return store.Page{}, err
	}
	if q.At != 0 && (q.At < d.compacted || q.At > d.revision) {
		return store.Page{}, fmt.Errorf("read: %w", store.ErrCompacted)
	}
	most := q.Most
	if most <= 0 || most > store.MostPage {
		most = store.MostPage
	}
	records := d.at(q.At)
	page := store.Page{Seen: d.seen()}
	for _, key := range slices.Sorted(maps.Keys(records)) {
		if !strings.HasPrefix(key, q.Prefix) || key <= q.After && q.After != "" {
			continue
		}
		if len(page.Records) == most {
			page.More = true
			break
		}
		page.Records = append(page.Records, records[key])
	}
	return page, nil
}

// at returns the records as they were at a revision: those of now, with later changes
// taken back.
func (d *Double) at(revision int64) map[string]store.Record {
	if revision == 0 || revision == d.revision {
		return d.records
	}
	then := make(map[string]store.Record)
	for k, r := range d.records {
		if r.Revision <= revision {
			then[k] = r
		}
	}
	for _, e := range d.log {
		switch {
		case e.Revision > revision:
		case e.Deleted:
			delete(then, e.Key)
		default:
			then[e.Key] = e.Record
		}
	}
	return then
}

// Commit implements store.Store.
func (d *Double) Commit(ctx context.Context, conditions []store.If, writes []store.Write) (store.Outcome, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.sweep(ctx); err != nil {
		return store.Outcome{}, err
	}
	done := true
	var found []store.Record
	for _, c := range conditions {
		r, there := d.records[c.Key]
		if there {
			found = append(found, r)
		}
		done = done && r.Revision == c.Revision
	}
	if !done {
		return store.Outcome{Seen: d.seen(), Found: found}, nil
	}
	for _, w := range writes {
		if _, alive := d.ends[w.Lease]; w.Lease != 0 && !alive {
			return store.Outcome{}, fmt.Errorf("write: %w", store.ErrNoLease)
		}
	}
	d.change(writes)
	return store.Outcome{Seen: d.seen(), Done: true}, nil
}

// change makes writes, as one revision.
func (d *Double) change(writes []store.Write) {
	next, changed := d.revision+1, false
	for _, w := range writes {
		_, there := d.records[w.Key]
		if w.Delete && !there {
			continue
		}
		changed = true
		delete(d.leases, w.Key)
		r := store.Record{Key: w.Key, Revision: next}
		if w.Delete {
			delete(d.records, w.Key)
		} else {
			r.Value = slices.Clone(w.Value)
			d.records[w.Key] = r
			if w.Lease != 0 {
				d.leases[w.Key] = w.Lease
			}
		}
		d.log = append(d.log, store.Event{Record: r, Deleted: w.Delete})
	}
	if changed {
		d.revision = next
		d.wake()
	}
}

// sweep ends the leases whose time is over, and fails if the store is to.
func (d *Double) sweep(ctx context.Context) error {
	if d.failing != nil {
		return d.failing
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now := time.Now()
	for l, end := range d.ends {
		if now.Before(end) {
			continue
		}
		delete(d.ends, l)
		var over []store.Write
		for key, of := range d.leases {
			if of == l {
				over = append(over, store.Write{Key: key, Delete: true})
			}
		}
		d.change(over)
	}
	return nil
}

// Lease implements store.Store.
func (d *Double) Lease(ctx context.Context, ttl time.Duration) (store.Lease, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.sweep(ctx); err != nil {
		return 0, err
	}
	l := store.Lease(len(d.ttl) + 1)
	d.ttl[l], d.ends[l] = ttl, time.Now().Add(ttl)
	return l, nil
}

// KeepAlive implements store.Store.
func (d *Double) KeepAlive(ctx context.Context, l store.Lease) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.sweep(ctx); err != nil {
		return err
	}
	if _, alive := d.ends[l]; !alive {
		return fmt.Errorf("keep a lease: %w", store.ErrNoLease)
	}
	d.ends[l] = time.Now().Add(d.ttl[l])
	return nil
}

// Close implements store.Store. Others may share the double: it goes on.
func (d *Double) Close() error { return nil }
