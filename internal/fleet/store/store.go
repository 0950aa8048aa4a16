// Package store says what the fleet needs of the database that its gates share: to
// read what lies under a prefix, to write it if nothing has changed, and to follow what
// changes. Nothing that comes from it is trusted for being there: who reads verifies.
//
// The real one is etcd, in package etcd; storetest has one for tests that obeys the same
// contract.
package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Limits of what is read, whatever the database says.
const (
	MostPage    = 256      // records in one page
	MostMessage = 16 << 20 // bytes of one answer
	MostValue   = 1 << 20  // bytes of one record
)

var (
	// ErrCompacted says that what was asked for is older than what the database keeps:
	// list again.
	ErrCompacted = errors.New("the changes since then are no longer kept")
	// ErrNoLeader says that the database has no majority at the moment, or that the
	// server that was asked cannot reach it.
	ErrNoLeader = errors.New("the servers of etcd have no leader")
	// ErrUnreachable says that no server has answered.
	ErrUnreachable = errors.New("no server of etcd answers")
	// ErrRefused says that this user may not do that.
	ErrRefused = errors.New("etcd refuses it")
	// ErrFull says that the database has no room and takes nothing.
	ErrFull = errors.New("etcd has no room left")
	// ErrNoLease says that a lease has ended.
	ErrNoLease = errors.New("the lease has ended")
)

// Seen is what each answer says of the database: which one it is, and how many changes
// it has seen. Neither is proved.
type Seen struct {
	Cluster  uint64
	Revision int64
}

// Record is a value under a key. Revision is that of its last write.
type Record struct {
	Key      string
	Value    []byte
	Revision int64
}

// Query asks for the records whose keys begin with Prefix and are greater than After, in
// the order of keys: at most Most, as they were at a revision (0: as they are now).
type Query struct {
	Prefix string
	After  string
	Most   int // 0: MostPage
	At     int64
}

// Page answers a query. More says that there are more records.
type Page struct {
	Seen
	Records []Record
	More    bool
}

// If is a condition: the record under the key was last written at the revision; 0: there
// is none.
type If struct {
	Key      string
	Revision int64
}

// Write is one change. A record with a lease is deleted when that ends.
type Write struct {
	Key    string
	Value  []byte
	Delete bool
	Lease  Lease // 0: none
}

// Lease is kept alive by the one who holds it, or ends.
type Lease int64

// Outcome says what came of a commit. Where it was not done, Found are the records under
// the keys of its conditions, as far as there are any.
type Outcome struct {
	Seen
	Done  bool
	Found []Record
}

// Event is the change of one record.
type Event struct {
	Record
	Deleted bool
}

// Batch is what has changed. One with Asked says that the server had a leader after that
// time, when it was asked: an answer that has been under way for long is as old as the
// question. Its revision must not be taken for the place from which to resume.
type Batch struct {
	Seen
	Events []Event
	Asked  time.Time // zero: it answers no question, and may have been under way for ever
}

// Age returns how long ago the question was asked that the batch answers. The machine may
// have slept since, with its monotonic clock halted.
func (b Batch) Age(now time.Time) time.Duration {
	return max(now.Sub(b.Asked), now.Round(0).Sub(b.Asked.Round(0)), 0)
}

// Store is a database that gates share. Its methods may be called by several goroutines
// at once.
type Store interface {
	// Read returns what the majority has, not what one server remembers.
	Read(ctx context.Context, q Query) (Page, error)

	// Commit makes all writes if all conditions hold, and none otherwise. After an error
	// it is not known whether they were made.
	Commit(ctx context.Context, conditions []If, writes []Write) (Outcome, error)

	// Watch hands over what changes under any of the prefixes, from a revision on, in
	// order, and reports at least every ProgressEvery that the server can reach its
	// leader. It returns when the context ends, when take returns an error, or when
	// anything goes wrong: then the caller resumes after the last event that it has got.
	Watch(ctx context.Context, prefixes []string, from int64, take func(Batch) error) error

	// Lease makes a lease; KeepAlive gives it its whole time once more.
	Lease(ctx context.Context, ttl time.Duration) (Lease, error)
	KeepAlive(ctx context.Context, l Lease) error

	Close() error
}

// ProgressEvery is how often a watch asks whether the server still follows its leader.
const ProgressEvery = 5 * time.Second

// All reads everything under a prefix, page after page, as of one revision, and hands
// over each record until take returns an error.
func All(ctx context.Context, s Store, prefix string, at int64, take func(Record) error) (Seen, error) {
	q := Query{Prefix: prefix, At: at}
	var first Seen
	for {
		page, err := s.Read(ctx, q)
		if err != nil {
			return first, err
		}
		if first == (Seen{}) {
			first = page.Seen
			if q.At == 0 {
				q.At = page.Revision
			}
		}
		for _, r := range page.Records {
			if r.Key <= q.After { // it does not keep to the order, and could go on for ever
				return first, errors.New("etcd lists its records in no order")
			}
			q.After = r.Key
			if err := take(r); err != nil {
				return first, err
			}
		}
		if !page.More || len(page.Records) == 0 {
			return first, nil
		}
	}
}

// Back-off after something has failed.
const (
	leastWait = 200 * time.Millisecond
	mostWait  = 30 * time.Second
)

// Backoff says how long to wait after each of a number of failures in a row: the bound
// doubles, and all of the wait is chance, so that a thousand gates that have lost etcd
// together do not come back together. The zero Backoff has seen none.
type Backoff struct{ failed int }

// Next returns the wait after one more failure.
func (b *Backoff) Next() time.Duration {
	most := mostWait
	if b.failed < 8 { // 200 ms << 8 is more than 30 s
		most = min(leastWait<<b.failed, mostWait)
		b.failed++
	}
	return leastWait/2 + rand.N(most)
}

// Reset is called after a success.
func (b *Backoff) Reset() { b.failed = 0 }
