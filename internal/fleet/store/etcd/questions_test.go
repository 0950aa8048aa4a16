//go:build linux

package etcd

import (
	"testing"
	"time"
)

// An answer is as old as the first question that has none yet: it may have been under way
// since then, and the answers to later ones may be lost.
func TestAnswersAreAsOldAsTheirQuestions(t *testing.T) {
	began := time.Now()
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	q := &questions{last: began}
	if got := q.heard(at(1), true); !got.IsZero() {
		t.Errorf("an answer to nothing: asked at %v", got)
	}
	q.put(at(5))
	if silent := q.put(at(10)); silent != 9*time.Second {
		t.Errorf("silent for %v", silent)
	}
	if got := q.heard(at(11), false); !got.IsZero() {
		t.Errorf("events that nobody has asked for: asked at %v", got)
	}
	if got := q.heard(at(12), true); got != at(5) {
		t.Errorf("the first answer: asked at %v", got)
	}
	if got := q.heard(at(13), true); !got.IsZero() {
		t.Errorf("a second answer: asked at %v", got)
	}
	q.put(at(15))
	if got := q.heard(at(16), true); got != at(15) {
		t.Errorf("the next answer: asked at %v", got)
	}
}
