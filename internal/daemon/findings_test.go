//go:build linux

package daemon

import (
	"testing"

	"sallyport/internal/daemon/hub"
	"sallyport/internal/journald"
)

// In the journal of systemd anybody may call himself sshd.
func TestOnlyRootLogsForSSHD(t *testing.T) {
	d := &Daemon{events: hub.New()}
	const text = "Failed password for root from 192.0.2.1 port 22 ssh2"
	for _, e := range []journald.Entry{
		{UID: "1000", Identifier: "sshd", Message: text},
		{Identifier: "sshd", Message: text},
		{UID: "0", Identifier: "sudo", Message: text},
		{UID: "0", Identifier: "sshd", Message: "Server listening on 0.0.0.0 port 22."},
		{UID: "0", Identifier: "sshd-session", Message: text},
	} {
		d.logged(e)
	}
	list := heard(d.events)
	if len(list) != 1 {
		t.Fatalf("%d logins, want 1", len(list))
	}
	if e := list[0]; e.Source.String() != "192.0.2.1" || e.Detail != `ssh as "root" with password` {
		t.Errorf("%+v", e)
	}
}
