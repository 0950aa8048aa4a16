//go:build linux && !client_only

package main

import (
	"io"
	"log/slog"
	"os"

	"sallyport/internal/daemon/logqueue"
	"sallyport/internal/journald"
)

// newLog returns the log of what runs as a service, and the queue that its lines go through.
func newLog(w io.Writer, debug, asJSON bool) (*slog.Logger, *logqueue.Queue) {
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
	queue := logqueue.New(w, func(lost uint64) {
		slog.New(handler(w)).Warn("lines are missing here: this log was not read fast enough", "lines", lost)
	})
	lines := handler(queue)
	if f, ok := fileOf(w); ok && !asJSON {
		if h, ok := journald.New(f, os.Getenv("JOURNAL_STREAM"), lines, opts.Level); ok {
			return slog.New(h), queue
		}
	}
	return slog.New(lines), queue
}
