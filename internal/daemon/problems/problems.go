//go:build linux

// Package problems keeps what an administrator should look at, by subject: one
// sentence for each, until it is over. The status, the metrics and the line of the
// unit show it.
package problems

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/internal/event"
)

// List is what there is to look at. Its methods may be called by several goroutines
// at once.
type List struct {
	put     func(event.Event)
	changed func()

	mu  sync.Mutex
	all map[string]string
}

// New returns an empty list. Changed is called when it is another than before. Neither
// function may block.
func New(put func(event.Event), changed func()) *List {
	return &List{put: put, changed: changed, all: make(map[string]string)}
}

// Note keeps a problem, in place of the one before of the same subject.
func (l *List) Note(subject, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[subject] != text {
		l.all[subject] = text
		l.changed()
	}
}

// Fail notes a problem that is an event, too.
func (l *List) Fail(subject, text string) {
	l.Note(subject, text)
	l.put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: text})
}

// Clear removes what has been noted of a subject.
func (l *List) Clear(subject string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, was := l.all[subject]; was {
		delete(l.all, subject)
		l.changed()
	}
}

// Get returns what was noted of a subject, or "".
func (l *List) Get(subject string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[subject]
}

// All returns the problems in order, never nil.
func (l *List) All() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.AppendSeq([]string{}, maps.Values(l.all))
	slices.Sort(list)
	return list
}

// InLine writes an error on one line, for the text of a problem.
func InLine(err error) string {
	if err == nil {
		return "there is none"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
