//go:build linux

package daemon

import (
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"sallyport/internal/capture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var alice = netip.MustParseAddr("192.0.2.10")

// still is a capture to which nothing arrives.
type still struct{ woken chan struct{} }

func (s still) Receive(capture.Handler) error { <-s.woken; return nil }
func (s still) Wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
func (s still) Stats() (capture.Stats, error) { return nil, nil }
func (s still) Close() error                  { return nil }
