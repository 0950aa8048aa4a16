//go:build linux

package daemon

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// notifier tells the service manager how the daemon is, by the protocol of
// sd_notify(3). The zero notifier, where there is no such manager, says nothing.
type notifier struct {
	address  string
	watchdog time.Duration // how often the manager wants to hear; 0: never
}

// newNotifier reads what the service manager put into the environment.
func newNotifier(getenv func(string) string) notifier {
	n := notifier{address: getenv("NOTIFY_SOCKET")}
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

// send delivers one state. A manager that is not listening is no reason to
// stop guarding doors, so errors are returned for the log only.
func (n notifier) send(state ...string) error {
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
