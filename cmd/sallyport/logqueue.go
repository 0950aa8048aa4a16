//go:build linux && !client_only

package main

import (
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"sallyport/internal/journald"
)

const (
	logLines = 1024        // that wait for whoever reads the log
	logGrace = time.Second // for what is left at the end
)

// logQueue keeps nobody waiting who writes to a log: behind standard error may
// be a pipe that nobody reads, or a terminal that somebody has stopped. What
// does not fit is counted, and told as soon as lines are read again.
type logQueue struct {
	to    io.Writer
	told  func(lost uint64) // writes a line to to
	lines chan []byte
	lost  atomic.Uint64
	quit  chan struct{}
	done  chan struct{}
}

func newLogQueue(to io.Writer) *logQueue {
	return &logQueue{to: to, lines: make(chan []byte, logLines), quit: make(chan struct{}), done: make(chan struct{})}
}

// Write takes a line. It implements io.Writer and never fails.
func (q *logQueue) Write(line []byte) (int, error) {
	select {
	case q.lines <- append([]byte(nil), line...):
	default:
		q.lost.Add(1)
	}
	return len(line), nil
}

// run writes until close is called, and then what is left.
func (q *logQueue) run() {
	defer close(q.done)
	for {
		select {
		case line := <-q.lines:
			q.pass(line)
			continue
		case <-q.quit:
		}
		for len(q.lines) > 0 {
			q.pass(<-q.lines)
		}
		return
	}
}

func (q *logQueue) pass(line []byte) {
	_, _ = q.to.Write(line) // there is no other place where it could be told
	if n := q.lost.Swap(0); n > 0 {
		q.told(n)
	}
}

// close ends run; it does not wait for long.
func (q *logQueue) close() {
	close(q.quit)
	select {
	case <-q.done:
	case <-time.After(logGrace):
	}
}

// newLog returns the daemon's log, and the queue that its lines go through.
func newLog(w io.Writer, debug, asJSON bool) (*slog.Logger, *logQueue) {
	opts := &slog.HandlerOptions{Level: slog.LevelInfo}
	if debug {
		opts.Level = slog.LevelDebug
	}
	handler := func(w io.Writer) slog.Handler {
		if asJSON {
			return slog.NewJSONHandler(inertJSON{w}, opts)
		}
		return slog.NewTextHandler(w, opts)
	}
	queue := newLogQueue(w)
	queue.told = func(lost uint64) {
		slog.New(handler(w)).Warn("lines are missing here: this log was not read fast enough", "lines", lost)
	}
	lines := handler(queue)
	if f, ok := w.(*os.File); ok && !asJSON {
		if h, ok := journald.New(f, os.Getenv("JOURNAL_STREAM"), lines, opts.Level); ok {
			return slog.New(h), queue
		}
	}
	return slog.New(lines), queue
}
