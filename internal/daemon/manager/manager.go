//go:build linux

// Package manager informs the service manager how the daemon is, by the protocol of
// sd_notify(3). Where there is no such manager it says nothing.
package manager

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Manager is the service manager.
type Manager struct {
	log      *slog.Logger
	address  string
	watchdog time.Duration // how often the manager wants to hear; 0: never
}

// New reads what the service manager put into the environment.
func New(getenv func(string) string, log *slog.Logger) *Manager {
	n := &Manager{log: log, address: getenv("NOTIFY_SOCKET")}
	if strings.HasPrefix(n.address, "@") {
		n.address = "\x00" + n.address[1:]
	}
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	pid := getenv("WATCHDOG_PID")
	if err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	return n
}

// Notify delivers one state. A manager that is not listening is no reason to stop
// guarding doors.
func (n *Manager) Notify(state ...string) {
	if err := n.send(state...); err != nil {
		n.log.Warn("the service manager does not listen", "error", err)
	}
}

func (n *Manager) send(state ...string) error {
	if n.address == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.address, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(strings.Join(state, "\n")))
	return err
}

// Reloading is the state that Type=notify-reload wants, with the monotonic
// time in microseconds.
func Reloading() []string {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return []string{"RELOADING=1"}
	}
	return []string{"RELOADING=1", "MONOTONIC_USEC=" + strconv.FormatInt(ts.Nano()/1000, 10)}
}

// Watchdog reports again and again that the daemon is alive, as long as it is.
func (n *Manager) Watchdog(ctx context.Context, alive func(context.Context) error) error {
	if n.watchdog == 0 {
		return nil
	}
	every := time.NewTicker(n.watchdog / 3)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			if alive(ctx) == nil {
				n.Notify("WATCHDOG=1")
			}
		}
	}
}
