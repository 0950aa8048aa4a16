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

// A machine that runs out of memory kills the daemon. It is started again by itself;
// what was closed stays closed, who was let in stays in, and a sequence that has
// been used opens nothing any more.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.office()
	m.must("sh", "-e", "-c", `
mkdir -p /etc/sallyport/conf.d
printf 'tcp/7011 udp/7022 tcp/7033\ntcp/7044 udp/7055 tcp/7066\n' >/etc/sallyport/once
printf '[[door]]\nname = "web"\nports = ["tcp/8443"]\nopen_for = "10m"\nsequences_file = "/etc/sallyport/once"\nwithin = "1m"\n' >/etc/sallyport/conf.d/web.toml
chgrp -R sallyport /etc/sallyport; chmod -R g+rX,o= /etc/sallyport`)
	m.guards()
	knocks := func(ports ...string) {
		m.must(append([]string{"ip", "netns", "exec", "alice", "sallyport", "knock", "192.0.2.1"}, ports...)...)
	}
	used, next := []string{"tcp/7011", "udp/7022", "tcp/7033"}, []string{"tcp/7044", "udp/7055", "tcp/7066"}
	m.reaches("alice", false, "8443")
	knocks(used...)
	m.reaches("alice", true, "8443")

	before := m.must("systemctl", "show", "-P", "MainPID", "sallyport")
	m.outOfMemory(before)
	m.reaches("bob", false, "22", "8443")
	m.restarted(before)
	m.granted()
	m.reaches("alice", true, "22", "8443")
	m.reaches("bob", false, "22", "8443")
	m.must("sallyport", "revoke", "--door", "web")
	knocks(used...)
	m.reaches("alice", false, "8443")
	knocks(next...)
	m.reaches("alice", true, "8443")
}

// outOfMemory has the kernel kill the daemon, in a group of processes that may
// have less memory than it needs; and sees that it was this that killed it.
func (m machine) outOfMemory(pid string) {
	m.Helper()
	m.must("sh", "-e", "-c", `
pid=$1
gone() { for i in $(seq 600); do kill -0 $pid 2>/dev/null || return 0; sallyport status >/dev/null 2>&1 || :; sleep 0.05; done; return 1; }
if grep -qw memory /sys/fs/cgroup/cgroup.controllers; then
	systemctl set-property --runtime sallyport MemoryMax=1M MemorySwapMax=0
	gone
	systemctl set-property --runtime sallyport MemoryMax=infinity
	journalctl -u sallyport | grep -q oom-kill
else # the older groups, where a process can only be moved to another one
	mkdir /run/groups
	mount -t cgroup -o memory none /run/groups
	group=/run/groups/sallyport-out-of-memory-$$
	mkdir $group
	echo 64K >$group/memory.limit_in_bytes
	echo $pid >$group/cgroup.procs
	gone
	grep -qx 'oom_kill [1-9][0-9]*' $group/memory.oom_control
	rmdir $group
	umount /run/groups
fi`, "sh", pid)
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
