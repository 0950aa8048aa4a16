package convert

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// counting returns sequences that are never the same.
func counting() Sequence {
	n := uint16(0)
	return func() ([]packet.Port, error) {
		n += 10
		return []packet.Port{tcp(20000 + n), udp(3000 + n), tcp(9000 + n), udp(18000 + n), tcp(5000 + n)}, nil
	}
}

// loaded loads what was converted, as the daemon would.
func loaded(t *testing.T, r Result, err error) *config.Config {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(single(r.Text), importPath)
	if err != nil {
		t.Fatalf("does not load: %v\n%s", err, r.Text)
	}
	if r.Config == nil || len(r.Config.Doors) != len(cfg.Doors) {
		t.Errorf("the configuration is not that of the text")
	}
	if len(cfg.Doors) != r.Doors {
		t.Errorf("%d doors, but the result says %d", len(cfg.Doors), r.Doors)
	}
	return cfg
}

// doors describes doors in a line each.
func doors(cfg *config.Config) string {
	var lines []string
	for _, d := range cfg.Doors {
		line := fmt.Sprintf("%s [%s] %s: [%s] in %s", d.Name, knockWords(d.Ports), d.OpenFor, knockWords(d.Sequence), d.Within)
		if len(d.To) > 0 {
			line += fmt.Sprint(" to ", d.To)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

const opens22 = "start_command = iptables -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\n"

func TestKnockd(t *testing.T) {
	for _, c := range []struct {
		name, text string
		doors      string   // as doors describes them
		says       []string // parts of the result, words with one space between
	}{
		{"one sequence that opens, and a time",
			"[options]\nlogfile = /var/log/knockd.log\n[opencloseSSH]\nsequence = 2222:udp,3333:tcp,4444:udp\nseq_timeout = 15\ntcpflags = syn,ack\nstart_command = /usr/sbin/iptables -A INPUT -s %IP% -p tcp --syn -j ACCEPT\ncmd_timeout = 5\nstop_command = /usr/sbin/iptables -D INPUT -s %IP% -p tcp --syn -j ACCEPT\n",
			"ssh [tcp/22] 5s: [udp/2222 tcp/3333 udp/4444] in 15s",
			[]string{"a guess by the name of the section", "tcpflags = syn,ack: here a TCP knock is a packet with SYN and no other flag", "logfile: the daemon writes to the journal"}},
		{"a range of ports",
			"[mosh]\nsequence = 2222:udp,3333:tcp,4444:udp\ncommand = /usr/sbin/ufw allow from %IP% to any port 60000:60050 proto udp\n",
			"mosh [" + strings.Join(mosh(), " ") + "] 1h0m0s: [udp/2222 tcp/3333 udp/4444] in 25s",
			[]string{`ports = ["udp/60000-60050"]`}},
		{"more ports than a door has",
			"[mosh]\nsequence = 2222:udp,3333:tcp,4444:udp\ncommand = /usr/sbin/ufw allow from %IP% to any port 60000:62000 proto udp\n",
			"",
			[]string{"are more than 1024 ports"}},
		{"one sequence opens, another closes",
			"[options]\n\tUseSyslog\n[openSSH]\n\tsequence = 7000,8000,9000\n\tseq_timeout = 5\n\tcommand = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\n\ttcpflags = syn\n[closeSSH]\n\tsequence = 9000,8000,7000\n\tseq_timeout = 5\n\tcommand = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\n\ttcpflags = syn\n[openHTTPS]\n\tsequence = 12345,54321,24680,13579\n\tseq_timeout = 5\n\tcommand = /usr/local/sbin/knock_add -i -c INPUT -p tcp -d 443 -f %IP%\n\ttcpflags = syn\n",
			"ssh [tcp/22] 1h0m0s: [tcp/7000 tcp/8000 tcp/9000] in 5s\nhttps [tcp/443] 1h0m0s: [tcp/12345 tcp/54321 tcp/24680 tcp/13579] in 5s",
			[]string{`[closeSSH], line 8 # - Not needed: it closes what door "ssh" opens`, "Here every grant ends", "usesyslog: the daemon"}},
		{"the closing one stands first",
			"[closeSSH]\nsequence=3,2\ncommand=ufw delete allow from %IP% to any port 22 proto tcp\n[openSSH]\nsequence=2000,1000\ncommand=ufw allow from %IP% to any port 22 proto tcp\n",
			"ssh [tcp/22] 1h0m0s: [tcp/2000 tcp/1000] in 25s",
			[]string{`it closes what door "ssh" opens`}},
		{"what knockd does where it is not told",
			"[ssh]\nsequence = 9,7\n" + opens22 + "stop_command = iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\n",
			"ssh [tcp/22] 10s: [tcp/9 tcp/7] in 25s", nil},
		{"limits that are not ours",
			"[ssh]\nsequence = 9,7\nseq_timeout = 0\ncmd_timeout = 900000\nstop_command = x\n" + opens22,
			"ssh [tcp/22] 24h0m0s: [tcp/9 tcp/7] in 100ms",
			[]string{"open_for is 24h in place of 250h", "within is 100ms in place of 0s"}},
		{"a sequence that a scan completes",
			"[ssh]\nsequence = 1000,1001,1002\ncmd_timeout = 10\nstop_command = x\n" + opens22,
			"ssh [tcp/22] 10s: [tcp/20010 udp/3010 tcp/9010 udp/18010 tcp/5010] in 25s",
			[]string{`The sequence was ["tcp/1000", "tcp/1001", "tcp/1002"], and is refused: door "ssh": sequence: any scan`, "The one here is new and random"}},
		{"one knock only",
			"[ssh]\nsequence = 1000\ncmd_timeout=10\nstop_command = x\n" + opens22,
			"ssh [tcp/22] 10s: [tcp/20010 udp/3010 tcp/9010 udp/18010 tcp/5010] in 25s",
			[]string{"sequence has 1 knock: want 2 to 16"}},
		{"a knock at the port of a door",
			"[ssh]\nsequence = 1000,22,3000\ncmd_timeout=10\nstop_command = x\n" + opens22,
			"ssh [tcp/22] 10s: [tcp/20010 udp/3010 tcp/9010 udp/18010 tcp/5010] in 25s",
			[]string{`tcp/22 is a port of door "ssh"`}},
		{"one sequence begins another",
			"[a]\nsequence=5000,4000\ncommand = iptables -A INPUT -s %IP% -p tcp --dport 1 -j ACCEPT\n[b]\nsequence=5000,4000,3000\ncommand = iptables -A INPUT -s %IP% -p tcp --dport 2 -j ACCEPT\n",
			"a [tcp/1] 1h0m0s: [tcp/20010 udp/3010 tcp/9010 udp/18010 tcp/5010] in 25s\nb [tcp/2] 1h0m0s: [tcp/5000 tcp/4000 tcp/3000] in 25s",
			[]string{`that of door "b" begins with it`}},
		{"one sequence for two doors",
			"[a]\nsequence=5000,4000\ncommand = iptables -A INPUT -s %IP% -p tcp --dport 1 -j ACCEPT\n[b]\nsequence=5000,4000\ncommand = iptables -A INPUT -s %IP% -p tcp --dport 2 -j ACCEPT\n",
			"a [tcp/1] 1h0m0s: [tcp/5000 tcp/4000] in 25s\nb [tcp/2] 1h0m0s: [tcp/5000 tcp/4000] in 25s", nil},
		{"two sequences for one port",
			"[alice]\nsequence=5000,4000\n" + opens22 + "[bob]\nsequence=6000,3000\n" + opens22,
			"alice [tcp/22] 1h0m0s: [tcp/5000 tcp/4000] in 25s",
			[]string{"tcp/22 is opened by [alice], line 1 already", "Give each person a secret of their own", `# name = "bob"`}},
		{"the same name twice",
			"[ssh]\nsequence=5000,4000\n" + opens22 + "[openSSH]\nsequence=5001,4001\ncommand = iptables -A INPUT -s %IP% -p tcp --dport 2222 -j ACCEPT\n",
			"ssh [tcp/22] 1h0m0s: [tcp/5000 tcp/4000] in 25s\nssh-2 [tcp/2222] 1h0m0s: [tcp/5001 tcp/4001] in 25s", nil},
		{"a port that nobody can guess",
			"[backdoor]\nsequence=5000,4000\ncommand=iptables -A INPUT -s %IP% -j ACCEPT\n", "",
			[]string{`# [[door]] # name = "backdoor" # ports = ["tcp/…"]`, "add them and remove the signs"}},
		{"a set of nft with a time",
			"[openHTTPS]\nsequence=5000,4000\ncommand=nft add element inet filter https { %IP% timeout 2m }\n",
			"https [tcp/443] 2m0s: [tcp/5000 tcp/4000] in 25s", []string{"a guess by the name"}},
		{"other commands",
			"[wol]\nsequence=5000,4000\ncommand=etherwake 00:11:22:33:44:55\n[ssh]\nsequence=5000,3000\ncommand=ufw allow from %IP% to any port 22 proto tcp && logger \"hello %IP%\"\n",
			"ssh [tcp/22] 1h0m0s: [tcp/5000 tcp/3000] in 25s",
			[]string{"What it runs opens no port that is known here", `# command = ["etherwake", "00:11:22:33:44:55"]`, `# command = ["logger", "hello %IP%"]`, "SALLYPORT_SOURCE"}},
		{"a host behind this one",
			"[ssh]\nsequence=5000,4000\ntarget=10.0.0.5\ncommand=iptables -A FORWARD -s %IP% -p tcp --dport 22 -j ACCEPT\n",
			"ssh [tcp/22] 1h0m0s: [tcp/5000 tcp/4000] in 25s to [10.0.0.5/32]",
			[]string{`"to"`}},
		{"both families",
			"[smtp]\nsequence=5000,4000\ncommand=iptables -A INPUT -s %IP% -p tcp --dport 25 -j ACCEPT\ncommand_6=ip6tables -A INPUT -s %IP% -p tcp --dport 587 -j ACCEPT\n[ssh]\nsequence=5000,3000\n" + opens22 + "start_command_6=\n",
			"smtp [tcp/25] 1h0m0s: [tcp/5000 tcp/4000] in 25s\nssh [tcp/22] 1h0m0s: [tcp/5000 tcp/3000] in 25s",
			[]string{"For IPv6 it opened tcp/587", "opens for IPv6 too, where knockd did nothing"}},
		{"IPv6 only",
			"[smtp]\nsequence=5000,4000\nstart_command_6=ip6tables -A INPUT -s %IP% -p tcp --dport 25 -j ACCEPT\nstop_command_6=ip6tables -D INPUT -s %IP% -p tcp --dport 25 -j ACCEPT\ncmd_timeout=7",
			"smtp [tcp/25] 7s: [tcp/5000 tcp/4000] in 25s", nil},
		{"one-time sequences",
			"[opencloseSMTP]\none_time_sequences = /etc/knockd/smtp_sequences\nseq_timeout = 15\ntcpflags = fin,!ack\nstart_command = iptables -A INPUT -s %IP% -p tcp --dport 25 -j ACCEPT\ncmd_timeout = 5\nstop_command = iptables -D INPUT -s %IP% -p tcp --dport 25 -j ACCEPT\n",
			"smtp [tcp/25] 5s: [] in 10s",
			[]string{`# sequences_file = "/etc/sallyport/smtp.sequences"`, "sallyport import sequences /etc/knockd/smtp_sequences"}},
		{"an interface, and what is not known",
			"loose = 1\n[options]\ninterface = eth1\npidfile = /run/x\ncolour = red\n[ssh]\nsequence = 1000,nine\nmood = 1\n" + opens22,
			"ssh [tcp/22] 1h0m0s: [tcp/20010 udp/3010 tcp/9010 udp/18010 tcp/5010] in 25s",
			[]string{`interfaces = ["eth1"]`, `The option "COLOUR" is not known`, `The option "MOOD" is not known`, `"nine" is not a knock`, "stands before any [section]", "pidfile: systemd"}},
		{"scripts",
			"[openclosessh]\nsequence = 7340,8281,9262,12945\nstart_command = /root/knock-open.sh %IP%\ncmd_timeout = 30\nstop_command = /root/knock-close.sh %IP%\n[lights]\nsequence = 7341,8281,9262\ncommand = systemctl start lights\n", "",
			[]string{`# [[door]] # name = "ssh" # ports = ["tcp/22"]`, `sequence = ["tcp/7340", "tcp/8281", "tcp/9262", "tcp/12945"]`, "is a guess by the name of the section. If it is right, remove the signs",
				`command = ["/root/knock-open.sh", "%IP%"]`, `command = ["/root/knock-close.sh", "%IP%"]`,
				`# name = "lights" # ports = ["tcp/…"]`, `sequence = ["tcp/7341", "tcp/8281", "tcp/9262"]`}},
		{"nothing but a remark", "[x]\ncommand = /bin/true\n", "", []string{"It opens no door"}},
		{"translated addresses",
			"[rdp]\nsequence = 7340,8281,9262\nstart_command = iptables -t nat -I PREROUTING -s %IP% -p tcp --dport 3390 -j DNAT --to-destination 10.0.0.9:3389\nstop_command = iptables -t nat -D PREROUTING -s %IP% -p tcp --dport 3390 -j DNAT --to-destination 10.0.0.9:3389\ncmd_timeout = 60\n" +
				"[closerdp]\nsequence = 7341,8281\ncommand = iptables -t nat -D PREROUTING -s %IP% -p tcp --dport 3390 -j DNAT --to-destination 10.0.0.9:3389\n",
			"rdp [tcp/3390] 1m0s: [tcp/7340 tcp/8281 tcp/9262] in 25s",
			[]string{"The command translates addresses. Sallyport never does. Make the rule yourself", `it closes what door "rdp" opens`}},
		{"a container's port",
			"[openApp]\nsequence = 1743,2854,3465\nstart_command = iptables -I DOCKER-USER -s %IP% -p tcp --dport 80 -j ACCEPT\nstop_command = iptables -D DOCKER-USER -s %IP% -p tcp --dport 80 -j ACCEPT\ncmd_timeout = 30\n", "",
			[]string{`In DOCKER-USER a port is the one behind the translation`, `# name = "app" # ports = ["tcp/80"]`}},
		{"a container's port as the outside sees it",
			"[openApp]\nsequence = 1743,2854,3465\ncommand = iptables -I DOCKER-USER -s %IP% -p tcp -m conntrack --ctorigdstport 8080 --ctdir ORIGINAL -j ACCEPT\n[web]\nsequence = 1743,2854,3466\ncommand = nft insert rule ip filter DOCKER-USER ip saddr %IP% ct original proto-dst 8443 accept\n",
			"app [tcp/8080] 1h0m0s: [tcp/1743 tcp/2854 tcp/3465] in 25s\nweb [tcp/8443] 1h0m0s: [tcp/1743 tcp/2854 tcp/3466] in 25s", nil},
		{"remarks behind values", "[options]\ninterface = eth0 # wan\n[ssh]\nsequence = 7810, 8320 ,9130      # secret!\nseq_timeout = 15 # s\n" + opens22,
			"ssh [tcp/22] 1h0m0s: [tcp/7810 tcp/8320 tcp/9130] in 15s", []string{`interfaces = ["eth0"]`}},
		{"a rule of nft with a remark", "[web]\nsequence = 7810,8320,9130\ncommand = nft add rule inet filter input ip saddr %IP% tcp dport 8444 accept comment knock\n",
			"web [tcp/8444] 1h0m0s: [tcp/7810 tcp/8320 tcp/9130] in 25s", nil},
		{"old encodings and line ends", "\ufeff# T\xfcr\r\n[T\xfcr]\r\nsequence = 5000,4000\r\n# \xa0\r\n" + opens22, "t-r [tcp/22] 1h0m0s: [tcp/5000 tcp/4000] in 25s", nil},
		{"a shell that waits", "[ssh]\nsequence=5000,4000\ncommand=ufw allow from %IP% to any port 22 proto tcp; sleep 20; ufw delete allow from %IP% to any port 22 proto tcp\n", "ssh [tcp/22] 20s: [tcp/5000 tcp/4000] in 25s", nil},
		{"no sequence", "[ssh]\n" + opens22, "ssh [tcp/22] 1h0m0s: [] in 10s", []string{"It has no sequence"}},
		{"hostile text", "[ssh\x1b[31m\u202e]\nsequence=5000,4000\r\ncommand=iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT; x '\x07\"\\\n[door]]\n", "ssh--31m [tcp/22] 1h0m0s: [tcp/5000 tcp/4000] in 25s", nil},
	} {
		r, err := Knockd(c.text, counting(), nil)
		cfg := loaded(t, r, err)
		if got := doors(cfg); got != c.doors {
			t.Errorf("%s:\n got %s\nwant %s\n%s", c.name, got, c.doors, r.Text)
		}
		for _, s := range c.says {
			if !strings.Contains(flat(r.Text), s) {
				t.Errorf("%s: does not say %q:\n%s", c.name, s, r.Text)
			}
		}
	}
}

// flat joins lines and comments, so that it does not matter where lines end.
func flat(text string) string {
	text = strings.ReplaceAll(text, "\n# ", "\n")
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "- ") || strings.HasPrefix(l, "[[door]]") || strings.HasPrefix(l, "name") || strings.HasPrefix(l, "ports") || strings.HasPrefix(l, "sequences_file") || strings.HasPrefix(l, " ") {
			lines[i] = "# " + l
		}
	}
	return strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
}

// mosh are the ports that mosh is often given.
func mosh() (list []string) {
	for n := range 51 {
		list = append(list, fmt.Sprintf("udp/%d", 60000+n))
	}
	return list
}

func TestKnockdRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":       "",
		"no section":    "hello\nworld\n",
		"a binary":      "\x7fELF\x00\x00[a]\n",
		"far too large": "[a]\n" + strings.Repeat("#", maxText),
		"many notes":    "[options]\n" + strings.Repeat("x\n", 100_000),
		"many sections": strings.Repeat("[a]\n", maxSections+1),
	} {
		if r, err := Knockd(text, nil, nil); err == nil {
			t.Errorf("%s: accepted as\n%s", name, r.Text)
		}
	}
}

func TestWithoutNewSequences(t *testing.T) {
	broken := func() ([]packet.Port, error) { return nil, errors.New("no ports are left") }
	refused := func() ([]packet.Port, error) { return []packet.Port{tcp(1), tcp(2)}, nil }
	for name, fresh := range map[string]Sequence{"none": nil, "broken": broken, "refused": refused} {
		r, err := Knockd("[ssh]\nsequence = 1000,1001\n"+opens22, fresh, nil)
		loaded(t, r, err)
		if r.Doors != 0 || !strings.Contains(flat(r.Text), "This door is a comment only, because it would be refused") {
			t.Errorf("%s:\n%s", name, r.Text)
		}
	}
}

func TestManySections(t *testing.T) {
	var b strings.Builder
	for i := range maxSections {
		fmt.Fprintf(&b, "[s%d]\nsequence = %d,%d,%d\ncommand = iptables -A INPUT -s %%IP%% -p tcp --dport %d -j ACCEPT\n", i, 2000+i, 4001+i, 2000+i, i+1)
	}
	begin := time.Now()
	r, err := Knockd(b.String(), counting(), nil)
	loaded(t, r, err)
	if took := time.Since(begin); r.Doors != maxSections || took > 5*time.Second {
		t.Errorf("%d doors in %s", r.Doors, took)
	}
}

func TestSequences(t *testing.T) {
	got, err := Sequences("# used 1,2\n 7000:udp,8000,9000\n#7001,8001\n1000\n\n 7000:udp,8000:tcp,9000\nx,y\n 0400,300\n")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for l := range strings.Lines(got) {
		if l[0] != '#' {
			lines = append(lines, l)
		}
	}
	if s := strings.Join(lines, ""); s != "udp/7000 tcp/8000 tcp/9000\ntcp/400 tcp/300\n" {
		t.Errorf("%s", got)
	}
	for _, s := range []string{"Line 3 was used", "7001,8001", "Line 4 is left out: it has 1 knocks", "the same as line 2", `"x" is not a knock`} {
		if !strings.Contains(got, s) {
			t.Errorf("does not say %q:\n%s", s, got)
		}
	}
}

func FuzzKnockd(f *testing.F) {
	f.Add("[options]\nUseSyslog\n[openSSH]\nsequence=1,2\n" + opens22)
	f.Add("[a]\nsequence=5000:udp,4000\ncommand=nft add element x y { %IP% . tcp . 1 timeout 1d }\ntarget=::1\n[a]\ncommand=ufw delete")
	f.Add("[x]\ncommand=firewall-cmd --add-rich-rule='rule' --timeout=9999999999d\none_time_sequences=/a\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Knockd(text, counting(), nil)
		if err == nil {
			loaded(t, r, err)
		} else if strings.Contains(err.Error(), "becomes what is refused") {
			t.Error(err)
		}
		if s, err := Sequences(text); err == nil && strings.Contains(s, "\r") {
			t.Errorf("a line end of its own: %q", s)
		}
	})
}
