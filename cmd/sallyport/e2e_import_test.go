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

// moved is a configuration of knockd, and how people knock.
type moved struct {
	name, config string
	knocks       string // arguments of the knock program, after the host
	port         uint16
	ends         bool   // the door closes again within seconds
	host         string // the host's own firewall; empty: knockd does not run here
}

// Firewalls of a host whose services are closed, as knockd needs it.
const (
	byIptables = "iptables -P INPUT DROP; iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT"
	byNft      = "nft 'table inet filter { chain input { type filter hook input priority 0; policy drop; ct state established accept; meta l4proto icmpv6 accept; }; }'"
	noFirewall = "iptables -P INPUT ACCEPT; iptables -F INPUT; nft delete table inet filter 2>/dev/null; true"
)

const ipt22 = "INPUT -s %IP% -p tcp --dport 22 -j ACCEPT"

var moves = []moved{
	{"a time, one sequence", "[options]\n\tlogfile = knockd.log\n[opencloseSSH]\n\tsequence = 2222:udp,3333:tcp,4444:udp\n\tseq_timeout = 15\n\ttcpflags = syn\n\tstart_command = iptables -A INPUT -s %IP% -p tcp --syn -j ACCEPT\n\tcmd_timeout = 1\n\tstop_command = iptables -D INPUT -s %IP% -p tcp --syn -j ACCEPT\n",
		"2222:udp 3333:tcp 4444:udp", 22, true, byIptables},
	{"opened and closed by sequences", "[options]\n\tlogfile = knockd.log\n[openSSH]\n\tsequence = 7000,8000,9000\n\tseq_timeout = 5\n\tcommand = iptables -A " + ipt22 + "\n\ttcpflags = syn\n[closeSSH]\n\tsequence = 9000,8000,7000\n\tseq_timeout = 5\n\tcommand = iptables -D " + ipt22 + "\n\ttcpflags = syn\n",
		"7000 8000 9000", 22, false, byIptables},
	{"several services", "[openSSH]\nsequence = 7000,8000,9000\ntcpflags = syn\ncommand = iptables -A " + ipt22 + "\n[openHTTPS]\nsequence = 12345,23456,24680,13579\nseq_timeout = 5\ncommand = knock_helper_ipt.sh -i -c INPUT -p tcp -d 443 -f %IP%\ntcpflags = syn\n",
		"12345 23456 24680 13579", 443, false, ""},
	{"all by UDP", "[ssh]\nsequence = 5001:udp,4001:udp,6001:udp\nstart_command = iptables -I " + ipt22 + "\ncmd_timeout = 1\nstop_command = iptables -D " + ipt22 + "\n",
		"-u 5001 4001 6001", 22, true, byIptables},
	{"capital letters and spaces", "[Options]\n  LogFile   =  knockd.log\n\n# a comment\n[ SSH ]\n  Sequence    = 5001 , 4001 ,6001\n  Seq_Timeout = 10\n  TCPFlags    = syn,!ack\n  Start_Command = iptables -I " + ipt22 + "\n  Cmd_Timeout = 1\n  Stop_Command = iptables -D " + ipt22 + "\n",
		"5001 4001 6001", 22, true, ""},
	{"remarks behind values", "[ssh]\nsequence = 5001 , 4001 ,6001      # secret!\nseq_timeout = 15 # seconds\nstart_command = iptables -I " + ipt22 + "\ncmd_timeout = 1 # s\nstop_command = iptables -D " + ipt22 + "\ntcpflags = syn\n",
		"5001 4001 6001", 22, true, byIptables},
	{"several ports", "[web]\nsequence = 5001,4001,6001\nstart_command = iptables -I INPUT -s %IP% -p tcp -m multiport --dports 80,443 -j ACCEPT\ncmd_timeout = 1\nstop_command = iptables -D INPUT -s %IP% -p tcp -m multiport --dports 80,443 -j ACCEPT\ntcpflags = syn\n",
		"5001 4001 6001", 80, true, byIptables},
	{"nft, a rule", "[ssh]\nsequence = 5001,4001:udp,6001\nstart_command = nft add rule inet filter input ip saddr %IP% tcp dport 22 accept\ntcpflags = syn\n",
		"5001 4001:udp 6001", 22, false, byNft},
	{"nft, an element with a time", "[ssh]\nsequence = 5001,4001,6001\nstart_command = nft add element inet filter ssh { %IP% timeout 1s }\ntcpflags = syn\n",
		"5001 4001 6001", 22, true, byNft + "; nft add set inet filter ssh '{ type ipv4_addr; flags timeout; }'; nft add rule inet filter input ip saddr @ssh tcp dport 22 accept"},
	{"ufw", "[ssh]\nsequence = 5001,4001,6001\nstart_command = ufw insert 1 allow from %IP% to any port 22 proto tcp\ncmd_timeout = 1\nstop_command = ufw delete allow from %IP% to any port 22 proto tcp\n",
		"5001 4001 6001", 22, true, ""},
	{"firewalld", "[ssh]\nsequence = 5001,4001,6001\nstart_command = firewall-cmd --add-rich-rule='rule family=\"ipv4\" source address=\"%IP%\" service name=\"ssh\" accept' --timeout=1\n",
		"5001 4001 6001", 22, true, ""},
	{"a shell, and a word to the log", "[ssh]\nsequence = 5001,4001,6001\nstart_command = /bin/sh -c \"iptables -I " + ipt22 + "; logger -t knock %IP%\"\ncmd_timeout = 1\nstop_command = iptables -D " + ipt22 + "\ntcpflags = syn\n",
		"5001 4001 6001", 22, true, byIptables},
	{"IPv6", "[ssh]\nsequence = 5001,4001,6001\nstart_command = iptables -I " + ipt22 + "\nstart_command_6 = ip6tables -I " + ipt22 + "\ncmd_timeout = 1\nstop_command = iptables -D " + ipt22 + "\nstop_command_6 = ip6tables -D " + ipt22 + "\n",
		"-6 5001 4001 6001", 22, true, ""},
	{"slowly", "[ssh]\nsequence = 5001,4001,6001\nseq_timeout = 3\nstart_command = iptables -I " + ipt22 + "\ncmd_timeout = 1\nstop_command = iptables -D " + ipt22 + "\ntcpflags = syn\n",
		"-d 200 5001 4001 6001", 22, true, byIptables},
}

// A configuration of knockd behaves after its import as it did before, with
// the program that people knock with: knockd itself shows what it did, where
// it can run here.
func TestImportedFromKnockd(t *testing.T) {
	labtest.Need(t, "peers", "knock", "knockd", "iptables", "nft")
	for _, m := range moves {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, lab.Options{})
			for _, port := range []uint16{22, 80, 443} {
				w.serve("tcp", port)
			}
			file := filepath.Join(w.dir, "knockd.conf")
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(m.config, "knockd.log", filepath.Join(w.dir, "knockd.log"))), 0o600); err != nil {
				t.Fatal(err)
			}
			if m.host != "" {
				w.shell(m.host)
				stop := w.knockd(file)
				w.knocked(m)
				stop()
				w.shell(noFirewall)
			}
			text := w.must(w.Gate, "import", "knockd", file)
			w.configure(text)
			w.start()
			w.knocked(m)
		})
	}
}

// knocked knocks in the wrong order, then in the right one, and looks whether
// the door opens when it should.
func (w *world) knocked(m moved) {
	w.t.Helper()
	door, host := at(w.Client, m.port), w.Client.Gate4
	if strings.HasPrefix(m.knocks, "-6") {
		door, host = at6(w.Client, m.port), w.Client.Gate6
	}
	args := strings.Fields(m.knocks)
	flags := 0
	for flags < len(args) && strings.HasPrefix(args[flags], "-") {
		flags++
		if args[flags-1] == "-d" {
			flags++
		}
	}
	knock := func(ports ...string) {
		w.t.Helper()
		words := append(append(append([]string{}, args[:flags]...), host.String()), ports...)
		if out, err := w.Client.Command(w.t.Context(), "knock", words...).CombinedOutput(); err != nil {
			w.t.Fatalf("knock %v: %v\n%s", words, err, out)
		}
	}
	ports := args[flags:]
	w.closed(w.Client, "tcp", door)
	knock(ports[1], ports[0], ports[len(ports)-1])
	w.closed(w.Client, "tcp", door)
	knock(ports...)
	w.open(w.Client, "tcp", door)
	if m.ends {
		w.closes(w.Client, "tcp", door)
	}
}

// shell runs a line on the gate.
func (w *world) shell(line string) {
	w.t.Helper()
	if out, err := w.Gate.Command(w.t.Context(), "sh", "-c", line).CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// knockd runs the real one, and returns a function that stops it.
func (w *world) knockd(file string) (stop func()) {
	w.t.Helper()
	cmd := w.Gate.Command(w.t.Context(), "knockd", "-i", "to-client", "-c", file)
	cmd.Dir = w.dir
	said := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.eventually("knockd listens", func() bool { return w.packetSocket() })
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// packetSocket reports whether a program on the gate sees packets.
func (w *world) packetSocket() bool {
	out, err := w.Gate.Command(w.t.Context(), "cat", "/proc/net/packet").Output()
	return err == nil && strings.Count(string(out), "\n") > 1
}
