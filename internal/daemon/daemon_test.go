//go:build linux

package daemon

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/internal/capture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = netip.MustParseAddr("192.0.2.10")
)

func TestNotifier(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	env := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000"}
	n := newNotifier(func(name string) string { return env[name] })
	if n.watchdog != 3*time.Second {
		t.Errorf("watchdog %s", n.watchdog)
	}
	if err := n.send(reloading()...); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	size, err := conn.Read(buf)
	if got := string(buf[:size]); err != nil || !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("%q, %v", got, err)
	}
	if err := newNotifier(func(string) string { return "" }).send("READY=1"); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	env["WATCHDOG_PID"] = "1"
	if n := newNotifier(func(name string) string { return env[name] }); n.watchdog != 0 && os.Getpid() != 1 {
		t.Error("a watchdog meant for another process counts")
	}
}

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
