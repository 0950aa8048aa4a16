//go:build linux

package daemon

import (
	"context"
	"testing"
	"testing/synctest"

	"sallyport/internal/capture"
)

// silent is a source without packets. Wakes that come together are one, as
// with an eventfd.
type silent struct{ wakes chan struct{} }

func (s silent) Receive(capture.Handler) error { <-s.wakes; return nil }
func (s silent) Stats() (capture.Stats, error) { return nil, nil }
func (s silent) Close() error                  { return nil }

func (s silent) Wake() {
	select {
	case s.wakes <- struct{}{}:
	default:
	}
}

func TestCommandsThatComeTogetherAreAllCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		p := newPump(silent{make(chan struct{}, 1)}, nil, nil)
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
