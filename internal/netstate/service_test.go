//go:build linux

package netstate

import (
	"os"
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

func TestServices(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	open(t, l.Gate, "tcp", "[::]:12")
	open(t, l.Gate, "udp", "192.0.2.1:23")
	open(t, l.Gate, "tcp", "127.0.0.1:16")
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	self := strings.TrimSpace(string(comm))
	var got []string
	for _, s := range on(t, l.Gate, Services) {
		got = append(got, s.Port.String()+" "+s.Process)
	}
	want := []string{"tcp/12 " + self, "udp/23 " + self}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The service manager holds sockets for others.
func TestWhoHoldsASocket(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"", "", ""}, {"", "sshd", "sshd"}, {"sshd", "", "sshd"}, {"systemd", "sshd", "sshd"}, {"sshd", "systemd", "sshd"},
		{"systemd", "", "systemd"}, {"nginx", "haproxy", "haproxy"}, {"haproxy", "nginx", "haproxy"},
	} {
		if got := worthier(c.a, c.b); got != c.want {
			t.Errorf("of %q and %q: %q, want %q", c.a, c.b, got, c.want)
		}
	}
}
