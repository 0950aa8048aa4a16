//go:build linux && !client_only

package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sallyport/internal/daemon/logqueue"
)

// A log that nobody reads holds nobody up, and says later what it lacks.
func TestLogThatNobodyReads(t *testing.T) {
	read, write := io.Pipe()
	log, queue := newLog(write, false, false)
	go queue.Run()
	began := time.Now()
	for n := range 3 * logqueue.Lines {
		log.Info("grant", "n", n)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("writing took %s", took)
	}
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(read)
		text <- string(all)
	}()
	queue.Close()
	write.Close()
	got := <-text
	if !strings.Contains(got, "n=0\n") || strings.Contains(got, fmt.Sprintf("n=%d\n", 3*logqueue.Lines-1)) || !strings.Contains(got, "lines are missing here") {
		t.Errorf("%d lines: %.500s", strings.Count(got, "\n"), got)
	}
}

func TestLogAtTheEnd(t *testing.T) {
	var b strings.Builder
	log, queue := newLog(&b, false, true)
	go queue.Run()
	log.Info("stop", "detail", hostileText)
	queue.Close()
	if !strings.Contains(b.String(), `"msg":"stop"`) || strings.ContainsAny(strings.TrimSpace(b.String()), "\x1b\a\u009b\u202e\n\r") {
		t.Errorf("%q", b.String())
	}
	_, stuck := newLog(stalled{}, false, false)
	go stuck.Run()
	for range 10 {
		fmt.Fprintln(stuck, "x")
	}
	began := time.Now()
	stuck.Close()
	if took := time.Since(began); took > 5*logqueue.Grace {
		t.Errorf("the end of a log that nobody reads took %s", took)
	}
}

// stalled never takes anything.
type stalled struct{}

func (stalled) Write([]byte) (int, error) { select {} }
