//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// Programs that people have already, knocking. %4 and %6 stand for the gate's addresses.
func TestRealClients(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "knock", "nmap", "nc", "bash", "timeout")
	for _, c := range []struct {
		name    string
		door    uint16
		command string
	}{
		{"knock, TCP", tcp, "knock %4 7001 8001 9001"},
		{"knock, UDP", udp, "knock -u %4 7002 8002 9002"},
		{"knock, mixed", mixed, "knock %4 7003:tcp 8003:udp 9003:tcp"},
		{"knock with a delay", mixed, "knock -d 100 %4 7003:tcp 8003:udp 9003:tcp"},
		{"knock, IPv6", mixed, "knock -6 %6 7003:tcp 8003:udp 9003:tcp"},
		{"nmap, SYN", tcp, "for p in 7001 8001 9001; do nmap -n -Pn -sS --max-retries 0 -p $p %4; done"},
		{"nmap, connect", tcp, "for p in 7001 8001 9001; do nmap -n -Pn -sT --max-retries 0 -p $p %4; done"},
		{"nmap in one go", tcp, "nmap -n -Pn -sS -r --max-retries 0 --max-parallelism 1 -p 7001,8001,9001 %4"},
		{"nmap, IPv6", tcp, "for p in 7001 8001 9001; do nmap -6 -n -Pn -sS --max-retries 0 -p $p %6; done"},
		{"nmap, UDP", udp, "for p in 7002 8002 9002; do nmap -n -Pn -sU --max-retries 0 -p $p %4; done"},
		{"nc, TCP", tcp, "for p in 7001 8001 9001; do nc -z -w 1 %4 $p; done; true"},
		{"nc, UDP", udp, "for p in 7002 8002 9002; do echo | nc -u -q 0 -w 1 %4 $p; done; true"},
		{"bash, TCP", tcp, "for p in 7001 8001 9001; do timeout 0.2 bash -c \"</dev/tcp/%4/$p\"; done; true"},
		{"bash, UDP", udp, "for p in 7002 8002 9002; do echo >/dev/udp/%4/$p; done; true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			realClient(t, c.door, c.command)
		})
	}
}

// Doors by the kind of their knocks.
const (
	tcp, udp, mixed = 22, 23, 24

	threeDoors = `
[[door]]
name     = "tcp"
ports    = ["tcp/22"]
open_for = "1h"
sequence = ["tcp/7001", "tcp/8001", "tcp/9001"]
within   = "1m"

[[door]]
name     = "udp"
ports    = ["tcp/23"]
open_for = "1h"
sequence = ["udp/7002", "udp/8002", "udp/9002"]
within   = "1m"

[[door]]
name     = "mixed"
ports    = ["tcp/24"]
open_for = "1h"
sequence = ["tcp/7003", "udp/8003", "tcp/9003"]
within   = "1m"
`
)

// realClient runs a command line that knocks, in a lab of its own.
func realClient(t *testing.T, port uint16, command string) {
	w := newWorld(t, lab.Options{})
	w.serve("tcp", port)
	w.configure(threeDoors)
	w.start()
	door := at(w.Client, port)
	if strings.Contains(command, "%6") {
		door = at6(w.Client, port)
	}
	line := strings.NewReplacer("%4", w.Client.Gate4.String(), "%6", w.Client.Gate6.String()).Replace(command)
	w.opens(w.Client, "tcp", door, func() {
		if out, err := w.Client.Command(t.Context(), "bash", "-c", line).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// A real ssh server behind the door, and a real session through it that
// outlives the grant.
func TestSSHThroughTheDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	ssh := w.serveSSH()
	w.configure(sshDoor)
	w.start()
	if out, err := ssh("1", "true").CombinedOutput(); err == nil {
		t.Fatalf("ssh got in through a closed door\n%s", out)
	}
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	session := ssh("30", "read line; echo got $line")
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	session.Stdout, session.Stderr = &out, w.log
	if err := session.Start(); err != nil {
		t.Fatal(err)
	}
	w.eventually("the session is there", func() bool { return len(w.status().Grants) == 1 && w.established() })
	w.ends(w.Client, "tcp", at(w.Client, 22))
	if _, err := in.Write([]byte("through\n")); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := session.Wait(); err != nil || out.String() != "got through\n" {
		t.Errorf("the session did not outlive the grant: %q, %v", out.String(), err)
	}
}

// serveSSH runs a real ssh server on the gate, with no door before it yet, and returns
// what makes a client on another host that waits for so many seconds.
func (w *world) serveSSH() func(patience, command string) *lab.Cmd {
	t := w.t
	t.Helper()
	labtest.Need(t, "peers", "ssh", "ssh-keygen", "/usr/sbin/sshd")
	dir := t.TempDir()
	for _, key := range []string{"host", "user"} {
		if out, err := w.Gate.Command(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Skipf("sshd wants /run/sshd: %v", err)
	}
	sshd := w.Gate.Command(t.Context(), "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null",
		"-h", filepath.Join(dir, "host"), "-o", "PidFile=none", "-o", "StrictModes=no", "-o", "UsePAM=no",
		"-o", "AuthorizedKeysFile="+filepath.Join(dir, "user.pub"))
	sshd.Stderr = w.log
	if err := sshd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sshd.Process.Kill(); sshd.Wait() })
	w.eventually("sshd listens", func() bool { return w.probe(w.Client, "tcp", at(w.Client, 22)) == lab.Open })
	return func(patience, command string) *lab.Cmd {
		return w.Client.Command(t.Context(), "ssh", "-F", "none", "-i", filepath.Join(dir, "user"), "-o", "IdentitiesOnly=yes",
			"-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout="+patience,
			w.Client.Gate4.String(), command)
	}
}

// established reports whether the gate has an ssh session.
func (w *world) established() bool {
	out, err := w.Gate.Command(w.t.Context(), "ss", "-Htn", "state", "established", "sport", "=", ":22").Output()
	return err == nil && len(out) > 0
}
