//go:build linux

package manager

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	env := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000"}
	n := New(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	if n.watchdog != 3*time.Second {
		t.Errorf("watchdog %s", n.watchdog)
	}
	if err := n.send(Reloading()...); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	size, err := conn.Read(buf)
	if got := string(buf[:size]); err != nil || !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("%q, %v", got, err)
	}
	if err := New(func(string) string { return "" }, slog.New(slog.DiscardHandler)).send("READY=1"); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	env["WATCHDOG_PID"] = "1"
	if n := New(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler)); n.watchdog != 0 && os.Getpid() != 1 {
		t.Error("a watchdog meant for another process counts")
	}
}
