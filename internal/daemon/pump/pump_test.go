//go:build linux

package pump

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/capture"
	"sallyport/internal/config"
	"sallyport/internal/gate"
)

// silent is a source without packets. Wakes that come together are one, as
// with an eventfd.
type silent struct{ wakes chan struct{} }

func (s silent) Receive(capture.Handler) error  { <-s.wakes; return nil }
func (s silent) Stats() (capture.Stats, error)  { return nil, nil }
func (s silent) Close() error                   { return nil }
func (s silent) Prepare(capture.Filter) error   { return nil }
func (s silent) SetFilter(capture.Filter) error { return nil }

func (s silent) Wake() {
	select {
	case s.wakes <- struct{}{}:
	default:
	}
}

func TestCommandsThatComeTogetherAreAllCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		p := New(silent{make(chan struct{}, 1)}, nil, nil, nil)
		done := 0
		for range 3 {
			go func() {
				if err := p.do(ctx, func() { done++ }); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait() // all wait for a pump that has not begun
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		if done != 3 {
			t.Errorf("%d of 3 commands were carried out", done)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestPumpDoesWhatItIsTold(t *testing.T) {
	p := New(silent{make(chan struct{}, 1)}, gate.New(&config.Config{}, gate.SPA{}, gate.Host{}, time.Now()), nil, nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	for i := range 100 {
		ran := false
		if err := p.do(t.Context(), func() { ran = true }); err != nil || !ran {
			t.Fatalf("command %d: ran %v, %v", i, ran, err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := p.do(ctx, func() { t.Error("ran after the end") }); err == nil {
		t.Error("no error after the end")
	}
}
