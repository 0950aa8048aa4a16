package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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

// matches tells whether a command has written what its transcript shows.
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

// The README, word for word: a server with sshd and a web service, and a
// person on another host.
func TestQuickStart(t *testing.T) {
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.office()
	for _, port := range []string{"22", "8443"} {
		m.elsewhere("nc -z -w 2 gate.example.org " + port) // open to everybody
	}
	m.elsewhere("sallyport keygen --no-passphrase -f ~/.ssh/id_ed25519")
	m.must("cp", "/home/alice/.ssh/id_ed25519.pub", "/root/alice.pub")
	for _, s := range transcripts(t, filepath.Join("..", "..", "README.md")) {
		run := m.server
		if s.prompt == "$" {
			m.must("sh", "-c", "cp /root/*.profile /home/alice") // as by mail
			run = m.elsewhere
		}
		if out := run(s.command); !s.matches(out) {
			t.Errorf("%s %s\nwrites:\n%s\nwant:\n%s", s.prompt, s.command, out, strings.Join(s.writes, "\n"))
		}
		if strings.HasPrefix(s.command, "systemctl enable") {
			for _, port := range []string{"22", "8443"} {
				m.fails("ip", "netns", "exec", "elsewhere", "nc", "-z", "-w", "1", "192.0.2.1", port)
			}
		}
	}
	for _, port := range []string{"22", "8443"} {
		m.elsewhere("nc -z -w 2 gate.example.org " + port)
	}
}

// office gives the machine a network with another host on it, sshd and a web
// service.
func (m machine) office() {
	m.Helper()
	m.must("sh", "-e", "-c", `
mkdir -p /run/sshd /run/netns /home/alice/.ssh
ssh-keygen -A
ip link set lo up
ip netns add elsewhere
ip link add eth0 type veth peer name eth0 netns elsewhere
ip addr add 192.0.2.1/24 dev eth0
ip link set eth0 up
ip -n elsewhere addr add 192.0.2.7/24 dev eth0
ip -n elsewhere link set lo up
ip -n elsewhere link set eth0 up
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

// server runs a command line as root on the machine.
func (m machine) server(line string) string {
	m.Helper()
	return m.must("bash", "-c", "cd /root; "+line)
}

// elsewhere runs a command line as a person on another host.
func (m machine) elsewhere(line string) string {
	m.Helper()
	return m.must("ip", "netns", "exec", "elsewhere", "env", "HOME=/home/alice", "SSH_AUTH_SOCK=", "bash", "-c", "cd; "+line)
}
