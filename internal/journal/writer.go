package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/phrase"
)

const (
	// maxPending bounds what waits for a file that cannot be written.
	maxPending = 4 * batchSize

	retryFirst = time.Second
	retryMost  = time.Minute
)

// writer is the state of Run. Only its goroutine touches it.
type writer struct {
	*Journal
	file     *file
	sums     *summer
	rows     []row
	text     int             // bytes in rows, about
	findings map[string]item // by ID: only what has become of each matters
	oldest   time.Time       // when the first that waits was put

	overflowTold uint64
	lost         uint64 // rows given up since the last were written
	lostFirst    time.Time

	retry     time.Duration // 0: the last attempt went well
	retryAt   time.Time
	unpruned  int // rows since the last look at size and age
	prunedAt  time.Time
	reference reference
}

// Run writes until the context ends, and then what is left. It returns an
// error only if what is left could not be written.
func (j *Journal) Run(ctx context.Context) error {
	w := &writer{Journal: j, sums: newSummer(), findings: make(map[string]item)}
	w.open(time.Now())
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for ctx.Err() == nil {
		select {
		case i := <-j.queue:
			w.take(i)
			w.gather(ctx)
		case <-every.C:
		case <-ctx.Done():
		}
		w.step(time.Now())
	}
	return w.finish()
}

// gather takes what comes shortly after, so that it is written together.
func (w *writer) gather(ctx context.Context) {
	timeout := time.NewTimer(gather)
	defer timeout.Stop()
	for len(w.rows) < batchSize && w.text < batchText {
		select {
		case i := <-w.queue:
			w.take(i)
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// take puts one where it waits to be written.
func (w *writer) take(i item) {
	idle := len(w.rows)+len(w.findings) == 0
	w.sort(i)
	if idle && len(w.rows)+len(w.findings) > 0 {
		w.oldest = i.put
	}
}

// sort puts one into its row, its sum or its place among the findings.
func (w *writer) sort(i item) {
	switch {
	case i.finding != nil:
		if _, have := w.findings[i.finding.ID]; have || len(w.findings) < batchSize {
			w.findings[i.finding.ID] = i
		} else {
			w.giveUp(1, i.finding.Last)
		}
	case !i.event.Hostile() || w.sums.add(i.put, i.event):
		w.append(i.event)
	}
}

func (w *writer) append(e event.Event) {
	if len(w.rows) >= roomOf(classOf(e), maxPending) {
		w.giveUp(max(e.Count.Packets, 1), e.Time)
		return
	}
	w.put(newRow(e))
}

func (w *writer) put(r row) {
	w.rows = append(w.rows, r)
	w.text += len(r.detail)
}

func (w *writer) giveUp(n uint64, at time.Time) {
	if w.lost == 0 {
		w.lostFirst = at
	}
	w.lost += n
	w.overflow.Add(n)
	w.overflowTold += n
}

// step brings what has been taken to the disk.
func (w *writer) step(now time.Time) {
	options := w.options.Load()
	if w.sums.due(now, options.Interval) {
		w.takeSums(now, options)
	}
	if n := w.overflow.Load() - w.overflowTold; n > 0 && len(w.rows) < maxPending {
		w.overflowTold += n
		w.append(event.Event{Time: options.Now(), Kind: event.KindOverload,
			Detail: phrase.Count(int(n), "event") + " not in the journal: more came than the disk takes"})
	}
	if w.file != nil && !w.file.inPlace() {
		w.removed()
	}
	if w.file == nil && !now.Before(w.retryAt) {
		w.open(now)
	}
	w.flush(now, options)
	w.note()
	w.prune(now, options)
}

// note lets Stats know what still waits.
func (w *writer) note() {
	n := len(w.rows) + len(w.findings)
	w.pending.Store(int64(n))
	var since *time.Time
	if oldest := w.oldest; n > 0 && !oldest.IsZero() {
		since = &oldest
	}
	w.since.Store(since)
}

// takeSums writes what was summed up, which may be more than one batch.
func (w *writer) takeSums(now time.Time, options *Options) {
	for _, e := range w.sums.take() {
		w.append(e)
		if len(w.rows) >= batchSize {
			w.flush(now, options)
		}
	}
}

// flush writes what waits.
func (w *writer) flush(now time.Time, options *Options) {
	if w.file == nil || now.Before(w.retryAt) || len(w.rows)+len(w.findings) == 0 {
		return
	}
	err := w.write(options)
	for range 8 { // an eighth each time
		if code(err) != codeFull || !w.makeRoom() {
			break
		}
		err = w.write(options)
	}
	if err == nil {
		w.wrote()
		return
	}
	if unfit(err) {
		w.giveUp(uint64(len(w.rows)+len(w.findings)), options.Now())
		w.rows, w.text = w.rows[:0], 0
		clear(w.findings)
	}
	w.failed(now, err)
}

// write writes all that waits: at once, or in small pieces where the room for
// the write-ahead log is what it is.
func (w *writer) write(options *Options) error {
	findings := make([]item, 0, len(w.findings))
	for _, i := range w.findings {
		findings = append(findings, i)
	}
	rows := w.withLoss(options)
	for w.file.tight && len(rows) > tightRows {
		if err := w.file.write(context.Background(), rows[:tightRows], nil, options.Chain); err != nil {
			return err
		}
		w.written.Add(tightRows)
		w.rows = append(w.rows[:0], w.rows[tightRows:]...)
		rows = w.withLoss(options)
	}
	return w.file.write(context.Background(), rows, findings, options.Chain)
}

// withLoss returns the rows that wait, and what is to be said about those that
// could not.
func (w *writer) withLoss(options *Options) []row {
	if w.lost == 0 {
		return w.rows
	}
	text := fmt.Sprintf("%s since %s not in the journal: it could not be written", phrase.Count(int(w.lost), "event"), w.lostFirst.UTC().Format(time.RFC3339))
	return append(w.rows[:len(w.rows):len(w.rows)], aboutItself(options.Now(), text))
}

func (w *writer) wrote() {
	w.written.Add(uint64(len(w.rows)))
	if !w.oldest.IsZero() { // sums wait for their interval, which is no lag
		w.lag.Store(int64(time.Since(w.oldest)))
	}
	w.unpruned += len(w.rows)
	w.rows, w.text, w.lost, w.oldest = w.rows[:0], 0, 0, time.Time{}
	clear(w.findings)
	if w.retry > 0 {
		w.log.Info("the journal is written again", "path", w.path)
		w.retry, w.retryAt = 0, time.Time{}
		w.setProblem(nil)
	}
}

// open opens the file, or begins a fresh one if it is damaged.
func (w *writer) open(now time.Time) {
	f, err := openFile(context.Background(), w.path)
	if damaged(err) {
		w.beginAnew(now, err)
		return
	}
	if err != nil {
		w.failed(now, fmt.Errorf("open: %w", err))
		return
	}
	w.file = f
	w.reference = f.reference(now, w.options.Load().Now())
}

// beginAnew keeps a damaged file aside.
func (w *writer) beginAnew(now time.Time, why error) {
	if w.file != nil {
		_ = w.file.close() // it is damaged; there is nothing to save
		w.file = nil
	}
	wall := w.options.Load().Now()
	aside, err := setAside(w.path, wall)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.failed(now, fmt.Errorf("keep the damaged file aside: %w", err))
		return
	}
	f, err := openFile(context.Background(), w.path)
	if err != nil {
		w.failed(now, fmt.Errorf("begin a fresh file: %w", err))
		return
	}
	w.file, w.retryAt = f, time.Time{}
	w.reference = f.reference(now, wall)
	w.log.Warn("the journal was damaged; a fresh one is begun", "aside", aside, "error", why)
	w.tell(wall, fmt.Sprintf("the journal was damaged (%v); it is kept as %q and a fresh one is begun", why, aside))
}

// removed: someone has deleted the file, or put another in its place.
func (w *writer) removed() {
	rows := w.file.heads[classOwn].last
	for _, h := range w.file.heads {
		rows = max(rows, h.last)
	}
	_ = w.file.close() // into a file without a name
	w.file, w.retryAt = nil, time.Time{}
	w.log.Warn("the journal was removed or replaced while in use; a fresh one is begun", "path", w.path, "rows_up_to", rows)
	w.tell(w.options.Load().Now(), fmt.Sprintf("the journal was removed or replaced while in use: rows up to number %d are gone, unless a copy was kept", rows))
}

// tell writes what the journal has to say about itself.
func (w *writer) tell(now time.Time, text string) {
	w.put(aboutItself(now, text))
}

// aboutItself is a row that says what is missing, or why: it stays as long as
// what is there does.
func aboutItself(now time.Time, text string) row {
	r := newRow(event.Event{Time: now, Kind: event.KindFailure, Detail: text})
	r.class = classOwn
	return r
}

// failed decides what becomes of a file that did not take a batch. What waits
// goes on waiting.
func (w *writer) failed(now time.Time, err error) {
	if damaged(err) && w.file != nil {
		w.beginAnew(now, err)
		return
	}
	if w.retry == 0 {
		w.log.Warn("the journal cannot be written; the gate goes on, and it is tried again", "path", w.path, "error", err)
	}
	w.retry = min(max(2*w.retry, retryFirst), retryMost)
	w.retryAt = now.Add(w.retry)
	w.setProblem(fmt.Errorf("the journal cannot be written: %w", err))
	if w.file != nil && code(err) != codeFull {
		// Perhaps a new handle helps: a file system that was mounted again.
		_ = w.file.close()
		w.file = nil
	}
}

// finish writes everything that is left.
func (w *writer) finish() error {
	for len(w.queue) > 0 {
		w.take(<-w.queue)
		if len(w.rows) >= batchSize || w.text >= batchText {
			w.step(time.Now())
		}
	}
	w.retryAt = time.Time{}
	w.takeSums(time.Now(), w.options.Load())
	w.step(time.Now())
	if w.file == nil {
		return w.problemNow()
	}
	if len(w.rows) > 0 {
		return errors.Join(w.problemNow(), w.file.close())
	}
	return w.file.close()
}

func (w *writer) problemNow() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.problem
}
