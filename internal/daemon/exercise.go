//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/hook"
	"sallyport/internal/journal"
	"sallyport/internal/phrase"
	"sallyport/internal/webhook"
)

// Acknowledge marks a finding as seen. Who did that comes from the kernel, and is on
// record in the journal.
func (d *Daemon) Acknowledge(ctx context.Context, q control.AckRequest) (event.Finding, error) {
	if q.ID == "" {
		return event.Finding{}, control.Wrong("sallyport findings lists them", "nothing says which finding")
	}
	now, user := time.Now(), control.Asker(ctx)
	f, found, err := journal.Acknowledge(ctx, d.config.Load().Journal.Path, q.ID, user, now)
	switch {
	case errors.Is(err, journal.ErrNoJournal), errors.Is(err, fs.ErrPermission):
		return f, &control.Error{Text: err.Error()}
	case err != nil:
		return f, err
	case !found:
		return f, control.Wrong("sallyport findings --all lists them", "there is no finding %q", q.ID)
	}
	if f.By == user && f.At.Equal(now.Truncate(time.Microsecond)) { // else someone has seen it before
		d.events.Put(event.Event{Time: now, Kind: event.KindAck, Reason: event.ByOperator,
			Detail: fmt.Sprintf("finding %s (%s) by %s, %s after it began", f.ID, f.Rule, user, phrase.Duration(now.Sub(f.First).Round(time.Second)))})
	}
	return f, nil
}

// exerciseEvery is how far apart exercises are: anyone who may use the socket could
// otherwise wear out those who are called by one.
const exerciseEvery = 10 * time.Second

// Exercise raises a finding that is none.
func (d *Daemon) Exercise(ctx context.Context, q control.ExerciseRequest) (control.ExerciseAnswer, error) {
	if q.Severity.Rank() < 0 {
		return control.ExerciseAnswer{}, control.Wrong(fmt.Sprintf("want one of %s", strings.Trim(fmt.Sprint(event.Severities()), "[]")), "there is no severity %q", q.Severity)
	}
	now := time.Now()
	if last := d.exercised.Load(); now.Unix()-last < int64(exerciseEvery/time.Second) && now.Unix() >= last || !d.exercised.CompareAndSwap(last, now.Unix()) {
		return control.ExerciseAnswer{}, &control.Error{Text: "there has just been an exercise", Remedy: fmt.Sprintf("try again in %s", phrase.Duration(exerciseEvery))}
	}
	f := detect.Exercise(now, q.Severity)
	f.Evidence = []string{"ordered by " + control.Asker(ctx)}
	d.found(f, true)
	return hearers(d.config.Load(), f), nil
}

// hearers counts who hears of a finding.
func hearers(cfg *config.Config, f event.Finding) control.ExerciseAnswer {
	a := control.ExerciseAnswer{Finding: f}
	e := event.Event{Kind: event.KindFinding, Finding: &f}
	for _, w := range cfg.Webhooks {
		if webhook.Wants(w, e) {
			a.Webhooks++
		}
	}
	for _, h := range cfg.Hooks {
		if hook.Concerns(h, e) {
			a.Hooks++
		} else if h.Exercise = true; hook.Concerns(h, e) {
			a.Spared++
		}
	}
	return a
}
