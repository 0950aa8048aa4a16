package main

import (
	"strings"
	"testing"
	"time"
)

const configFile = "/etc/sallyport/sallyport.toml"

// A mistake in the file opens no door, at the start of the machine either, where
// no table is left from before; and one sees where it is.
func TestBrokenFileAtAStart(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.office()
	m.reaches("bob", true, "22")
	m.guards()
	m.reaches("bob", false, "22")
	m.must("systemctl", "stop", "sallyport")
	m.must("sh", "-c", "cp -p "+configFile+" /root/good && echo nonsense >> "+configFile)
	m.must("sallyport", "down") // as the end of the machine takes the table away
	m.reaches("bob", true, "22")

	m.must("systemctl", "start", "sallyport")
	m.must("systemctl", "is-active", "sallyport")
	m.reaches("bob", false, "22")
	for _, command := range [][]string{
		{"sallyport", "status"},
		{"systemctl", "show", "-P", "StatusText", "sallyport"},
	} {
		if out := m.must(command...); !strings.Contains(out, "the last good one") {
			t.Errorf("%s does not say so:\n%s", strings.Join(command, " "), out)
		}
	}
	m.must("cp", "-p", "/root/good", configFile)
	m.must("systemctl", "reload", "sallyport")
	if out := m.must("sallyport", "status"); strings.Contains(out, "the last good one") {
		t.Errorf("the mended file is not in force:\n%s", out)
	}
	m.reaches("bob", false, "22")
}

// However the daemon ends, systemd starts it again, and meanwhile doors stay
// closed and grants go on.
func TestEndsByForce(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.office()
	m.must("sh", "-e", "-c", `
mkdir -p /etc/systemd/system/sallyport.service.d
printf '[Service]\nWatchdogSec=5\n' >/etc/systemd/system/sallyport.service.d/test.conf`)
	m.guards()
	m.reaches("alice", true, "22") // 192.0.2.7, who has the grant
	for _, signal := range []string{"KILL", "STOP", "SEGV", "KILL"} {
		before := m.must("systemctl", "show", "-P", "MainPID", "sallyport")
		m.must("kill", "-s", signal, before)
		m.reaches("bob", false, "22")
		m.restarted(before)
		m.granted()
		m.reaches("alice", true, "22")
		m.reaches("bob", false, "22")
	}
}

// restarted waits until another process is the daemon, and ready.
func (m machine) restarted(before string) {
	m.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		pid := m.must("systemctl", "show", "-P", "MainPID", "sallyport")
		state, _ := m.try("systemctl", "is-active", "sallyport")
		if state == "active" && pid != before && pid != "0" {
			return
		}
		if time.Now().After(deadline) {
			m.Fatalf("the daemon is %s with process %s, after %s", state, pid, before)
		}
	}
}

// What brings the network up waits until the doors are closed.
func TestClosedBeforeTheNetwork(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.guards()
	m.must("systemctl", "stop", "sallyport")
	m.must("sallyport", "down") // as before the machine starts
	m.must("sh", "-e", "-c", `
cat >/etc/systemd/system/network-manager.service <<'U'
[Unit]
DefaultDependencies=no
Wants=network-pre.target
After=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=nft list table inet sallyport
U
cat >/etc/systemd/system/begin.target <<'U'
[Unit]
Wants=network-manager.service sallyport.service
After=network-manager.service sallyport.service
U
systemctl daemon-reload`)
	m.fails("systemctl", "start", "network-manager") // alone there is nothing to wait for
	m.must("systemctl", "stop", "network-pre.target")
	m.must("systemctl", "start", "begin.target") // as a boot does: all at once
	m.must("systemctl", "is-active", "network-manager", "sallyport")
}
