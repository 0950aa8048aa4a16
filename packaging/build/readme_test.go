package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// step is one command of a transcript, with what it writes. "…" stands for
// anything: within a line, or for any number of lines.
type step struct {
	prompt  string // "#": root on the server, "$": a person elsewhere
	command string
	writes  []string
}

// transcripts reads the console blocks of a document.
func transcripts(t *testing.T, path string) (steps []step) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllSubmatch(text, -1) {
		for _, line := range strings.Split(strings.TrimSuffix(string(block[1]), "\n"), "\n") {
			prompt, command, _ := strings.Cut(line, " ")
			if prompt == "#" || prompt == "$" {
				steps = append(steps, step{prompt: prompt, command: command})
			} else if n := len(steps); n > 0 {
				steps[n-1].writes = append(steps[n-1].writes, line)
			}
		}
	}
	return steps
}

// matches reports whether a command has written what its transcript shows.
func (s step) matches(out string) bool {
	var b strings.Builder
	for _, line := range s.writes {
		if line == "…" {
			b.WriteString(`(.*\n)*`)
		} else {
			b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*") + `\n`)
		}
	}
	if out != "" {
		out += "\n"
	}
	return regexp.MustCompile(`^` + b.String() + `$`).MatchString(out)
}

func TestTranscriptsMatch(t *testing.T) {
	for _, c := range []struct {
		writes, out string
		want        bool
	}{
		{"", "", true},
		{"", "x", false},
		{"a", "a", true},
		{"a", "a\nb", false},
		{"a\n…", "a", true},
		{"a\n…", "a\nb\nc", true},
		{"…\nc", "a\nb\nc", true},
		{"a … (c)", "a b (c)", true},
		{"a … (c)", "a b (d)", false},
	} {
		var s step
		if c.writes != "" {
			s.writes = strings.Split(c.writes, "\n")
		}
		if got := s.matches(c.out); got != c.want {
			t.Errorf("%q and %q: %v", c.writes, c.out, got)
		}
	}
}

// The README, word for word: a server with sshd and a web service, and two
// people on other hosts.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.office()
	all := func(reaches bool) {
		t.Helper()
		for _, who := range []string{"alice", "bob"} {
			m.reaches(who, reaches, "22", "8443")
		}
	}
	all(true)
	m.as("alice", "sallyport keygen --no-passphrase -f ~/.ssh/id_ed25519")
	m.must("cp", "/home/alice/.ssh/id_ed25519.pub", "/root/alice.pub")
	who := ""
	for _, s := range transcripts(t, filepath.Join("..", "..", "README.md")) {
		if name, ok := strings.CutPrefix(s.command, "sallyport add "); ok {
			who = strings.TrimSuffix(name, ".profile")
			m.must("cp", "/root/"+name, "/home/"+who) // as by mail
		}
		var out string
		if s.prompt == "#" {
			out = m.must("bash", "-c", "cd /root; "+s.command)
		} else {
			out = m.as(who, s.command)
		}
		if !s.matches(out) {
			t.Errorf("%s %s\nwrites:\n%s\nwant:\n%s", s.prompt, s.command, out, strings.Join(s.writes, "\n"))
		}
		if strings.HasPrefix(s.command, "systemctl enable") {
			all(false)
		}
	}
	m.reaches("alice", true, "22", "8443")
	m.reaches("bob", false, "22")
	m.reaches("bob", true, "8443")
}

// office gives the machine a network with two other hosts on it, sshd and a
// web service.
func (m machine) office() {
	m.Helper()
	m.must("sh", "-e", "-c", `
mkdir -p /run/sshd /run/netns /home/alice/.ssh /home/bob
ssh-keygen -A
ip link set lo up
ip link add office type bridge
ip addr add 192.0.2.1/24 dev office
ip link set office up
for who in alice bob; do
	ip netns add $who
	ip link add $who type veth peer name eth0 netns $who
	ip link set $who master office up
	ip -n $who link set lo up
	ip -n $who link set eth0 up
done
ip -n alice addr add 192.0.2.7/24 dev eth0
ip -n bob addr add 192.0.2.8/24 dev eth0
echo 192.0.2.1 gate.example.org >> /etc/hosts
`)
	for unit, command := range map[string]string{"sshd": "/usr/sbin/sshd -D", "web": "nc -lk 8443"} {
		path := "/etc/systemd/system/" + unit + "-test.service"
		text := fmt.Sprintf("[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=%s\n", command)
		if err := os.WriteFile(m.path(path), []byte(text), 0o644); err != nil {
			m.Fatal(err)
		}
		m.must("systemctl", "start", unit+"-test")
	}
}

// as runs a command line as a person on another host.
func (m machine) as(who, line string) string {
	m.Helper()
	return m.must("ip", "netns", "exec", who, "env", "HOME=/home/"+who, "SSH_AUTH_SOCK=", "bash", "-c", "cd; "+line)
}

// reaches requires that ports of the server let a person in, soon, or do not.
func (m machine) reaches(who string, want bool, ports ...string) {
	m.Helper()
	for _, port := range ports {
		got := false
		for deadline := time.Now().Add(time.Minute); !got; {
			_, err := m.try("ip", "netns", "exec", who, "nc", "-z", "-w", "1", "192.0.2.1", port)
			got = err == nil
			if !want || time.Now().After(deadline) {
				break
			}
		}
		if got != want {
			m.Errorf("%s reaches port %s: %v, want %v", who, port, got, want)
		}
	}
}
