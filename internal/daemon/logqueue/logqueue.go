//go:build linux

// Package logqueue keeps nothing waiting that writes to a log: behind standard error may
// be a pipe that nothing reads, or a terminal that has been stopped. What does not fit
// is counted, and reported as soon as lines are read again.
package logqueue

import (
	"io"
	"sync/atomic"
	"time"
)

const (
	Lines = 1024        // that wait to be read
	Grace = time.Second // for what is left at the end
)

// Queue is a log whose lines are written by Run. Write may be called by several
// goroutines at once.
type Queue struct {
	to      io.Writer
	missing func(lost uint64) // writes a line to to
	lines   chan []byte
	lost    atomic.Uint64
	quit    chan struct{}
	done    chan struct{}
}

// New returns a queue in front of a log. Missing writes a line there that names how many
// are lost.
func New(to io.Writer, missing func(lost uint64)) *Queue {
	return &Queue{to: to, missing: missing, lines: make(chan []byte, Lines), quit: make(chan struct{}), done: make(chan struct{})}
}

// Write takes a line. It implements io.Writer and never fails.
func (q *Queue) Write(line []byte) (int, error) {
	select {
	case q.lines <- append([]byte(nil), line...):
	default:
		q.lost.Add(1)
	}
	return len(line), nil
}

// Run writes until Close is called, and then what is left.
func (q *Queue) Run() {
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

func (q *Queue) pass(line []byte) {
	_, _ = q.to.Write(line) // there is no other place to report it
	if n := q.lost.Swap(0); n > 0 {
		q.missing(n)
	}
}

// Close ends Run; it does not wait for long.
func (q *Queue) Close() {
	close(q.quit)
	select {
	case <-q.done:
	case <-time.After(Grace):
	}
}
