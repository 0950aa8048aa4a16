// Package journal keeps what happened, in an SQLite file: every decision with
// its reason, and hostile traffic summed up per source, reason and interval.
//
// Nothing that decides ever waits for the disk. Put and PutFinding hand over
// to a queue; one goroutine, Run, writes in batches. What does not fit is
// counted and told by an event in the journal itself. A disk that is full, a
// file that is damaged, unreadable or removed while in use only ever costs
// rows: writing is tried again, a damaged file is kept aside under another name
// and a fresh one begun.
//
// Anybody can cause refusals, and write any source into them. So these rows are
// of a class of their own: they are summed up in bounded memory, and when the
// file has reached its size they go first. After them goes what strangers have a
// hand in, such as bans and failures, then grants of nobody in particular, which
// anyone who has overheard a sequence can cause; and findings have a share of the
// file. So nothing that strangers do washes out a grant of a client.
//
// Each row can carry a hash over itself and the row before (of its class), so
// that rows changed or deleted in between show: see Reader.Verify.
//
// Readers use the file while the daemon writes, and when it does not run.
package journal

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/event"
)

// Options say how much is kept. Zero values mean the defaults.
type Options struct {
	Keep    time.Duration // rows older than this are deleted; default 90 days
	MaxSize int64         // bytes; the oldest rows are deleted beyond; default 256 MiB
	Chain   bool          // whether rows carry hashes

	Interval time.Duration    // over which hostile traffic is summed up; default one minute
	Now      func() time.Time // default time.Now
}

func (o Options) withDefaults() Options {
	if o.Keep <= 0 {
		o.Keep = 90 * 24 * time.Hour
	}
	if o.MaxSize <= 0 {
		o.MaxSize = 256 << 20
	}
	if o.Interval <= 0 {
		o.Interval = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

const (
	// queueSize is a third of a second of the fastest stream that the file takes.
	queueSize = 16_384
	// batchSize is how many rows are written in one transaction.
	batchSize = 2048
	// gather is how long the writer waits for more before it writes.
	gather = 20 * time.Millisecond
)

// item is an event or a finding on its way to the file.
type item struct {
	event   event.Event
	finding *event.Finding
	put     time.Time
}

// Journal is the writing side. All methods may be called concurrently, Run
// once.
type Journal struct {
	path    string
	log     *slog.Logger
	options atomic.Pointer[Options]
	queue   chan item

	overflow atomic.Uint64 // what Put had no room for, in all
	written  atomic.Uint64
	lag      atomic.Int64              // nanoseconds, of the latest batch
	pending  atomic.Int64              // taken out of the queue, and not yet written
	since    atomic.Pointer[time.Time] // when the oldest of these was put; nil: there is none

	mu      sync.Mutex
	problem error // why nothing is written at present
}

// New returns a journal that keeps its rows in a file. It touches nothing
// before Run.
func New(path string, o Options, log *slog.Logger) *Journal {
	j := &Journal{path: path, log: log, queue: make(chan item, queueSize)}
	j.Configure(o)
	return j
}

// Configure changes the options from now on.
func (j *Journal) Configure(o Options) {
	o = o.withDefaults()
	j.options.Store(&o)
}

// Put takes an event. It never waits.
func (j *Journal) Put(e event.Event) { j.hand(item{event: e}) }

// PutFinding takes a finding, or what has become of it. It never waits.
func (j *Journal) PutFinding(f event.Finding) { j.hand(item{finding: &f}) }

func (j *Journal) hand(i item) {
	i.put = time.Now()
	// A disk that stands still for seconds must not cost a grant in a flood.
	if i.finding == nil && len(j.queue) >= roomOf(classOf(i.event), queueSize) {
		j.overflow.Add(1)
		return
	}
	select {
	case j.queue <- i:
	default:
		j.overflow.Add(1)
	}
}

// Stats reports how the journal does.
type Stats struct {
	Written uint64        // rows since the start
	Lost    uint64        // events since the start that are in no row
	Lag     time.Duration // from Put to the disk, of the latest batch; or what the oldest that waits has waited, if that is longer
	Queued  int           // events waiting, but for those that are being summed up
	Problem error         // why nothing is written at present; nil: all is well
}

// Stats returns the present state.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Stats{Written: j.written.Load(), Lost: j.overflow.Load(), Lag: time.Duration(j.lag.Load()), Queued: len(j.queue) + int(j.pending.Load()), Problem: j.problem}
	if since := j.since.Load(); since != nil {
		s.Lag = max(s.Lag, time.Since(*since))
	}
	return s
}

func (j *Journal) setProblem(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.problem = err
}
