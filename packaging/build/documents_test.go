package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ran is what becomes of a block whose commands TestDocuments runs.
const ran = "TestDocuments"

// treated says of every block of code in the documents what tests it, or why
// nothing does. The key is the document with the first line of the block. Blocks
// of TOML are loaded by internal/config, and LINT.md is made from tests.
var treated = map[string]string{
	"README.md: git clone … && cd sallyport":                             "internal/drill is tested as a whole; the rest is make test itself",
	"README.md: stranger                                 you":            "a drawing",
	"README.md: make package && sudo apt install ./dist/sallyport_*.deb": "TestPackageOnDebian makes and installs it",
	"README.md: # sallyport init --door ssh=tcp/22 --door web=tcp/8443":  "TestQuickStart",
	"README.md: $ sallyport add alice.profile":                           "TestQuickStart",
	"README.md: $ sallyport add bob.profile":                             "TestQuickStart",
	"README.md: sallyport ssh gate":                                      ran,
	"README.md: sallyport knock gate.example.org tcp/17209":              ran,
	"README.md: sallyport check":                                         ran,

	"README.ja.md: git clone … && cd sallyport":                             "as in README.md",
	"README.ja.md: 部外者                                  あなた":                "a drawing",
	"README.ja.md: make package && sudo apt install ./dist/sallyport_*.deb": "as in README.md",
	"README.ja.md: sallyport init --door ssh=tcp/22 --door web=tcp/8443":    ran,
	"README.ja.md: sallyport add alice.profile":                             ran,
	"README.ja.md: sallyport client add bob --rotating":                     "TestQuickStart runs the same words on both sides",
	"README.ja.md: sallyport check":                                         ran,

	"docs/API.md: curl --unix-socket":                                                         "cmd/sallyport asks the API with these words",
	"docs/API.md: id: 1x7p9ab3-418":                                                           "a shape, not an output",
	"docs/API.md: curl -H":                                                                    "cmd/sallyport asks the API with these words",
	"docs/API.md: config system external-resource":                                            "needs a FortiGate: by its command reference, not run",
	"docs/API.md: #!/bin/bash":                                                                "TestRecipeForASecurityGroup runs it, with a program in the place of aws",
	"docs/API.md: {\"run\": ":                                                                 "a shape, not an output; TestMirror has a receiver that keeps to it",
	"docs/API.md: list=$(curl":                                                                "needs another firewall; cmd/sallyport runs the second half",
	"docs/ARCHITECTURE.md: wire ─► capture":                                                   "a drawing",
	"docs/ARCHITECTURE.md: pure: no I/O":                                                      "house_test.go reads it",
	"docs/CLIENT.md: sallyport pair root@gate.example.org":                                    "TestShortestWay, without --door",
	"docs/CLIENT.md: sallyport add office.profile":                                            ran,
	"docs/CLIENT.md: sallyport join":                                                          "TestInvitedDeviceKnocks",
	"docs/CLIENT.md: sallyport ssh office":                                                    ran,
	"docs/CLIENT.md: Host gate.example.org":                                                   "for ssh_config; cmd/sallyport runs ssh with both",
	"docs/CLIENT.md: Match host gate.example.org":                                             "for ssh_config; cmd/sallyport runs ssh with it",
	"docs/CLIENT.md: systemctl --user enable":                                                 "needs a user's systemd, which the machine has none of",
	"docs/CLIENT.md: sallyport doctor office":                                                 ran,
	"docs/CONSOLE.md: sallyport reload":                                                       "TestConsoleOfPackage, with these words",
	"docs/CONSOLE.md: ssh -L":                                                                 "an option of ssh; that the console is there by any port is tested in internal/console",
	"docs/CONSOLE.md: gate.example.net {":                                                     "for Caddy, which is not there; internal/console tests what a proxy sends",
	"docs/CONSOLE.md: location / {":                                                           "for nginx, which is not there; internal/console tests what a proxy sends",
	"docs/DRILL.md: sallyport drill --quick":                                                  "cmd/sallyport drills three configurations",
	"docs/DRILL.md: sallyport drill --exercise":                                               "TestExercise",
	"docs/DRILL.md: sallyport drill --consent":                                                "TestDrillFromElsewhere",
	"docs/DRILL.md: sallyport drill -c sallyport.toml":                                        "cmd/sallyport drills three configurations like that",
	"docs/OPERATIONS.md: sallyport observe --for 7d":                                          "cmd/sallyport observes a host, and makes doors of it",
	"docs/OPERATIONS.md: nft add table inet track":                                            "cmd/sallyport observes a host with these lines",
	"docs/FLEET.md: sallyport fleet etcd-commands":                                            "TestTenMinutes, whose steps these are",
	"docs/FLEET.md: openssl req -x509":                                                        "certificates and servers of etcd, tried by hand; TestTenMinutes makes its own",
	"docs/FLEET.md: ETCD_NAME=etcd1":                                                          "the settings of Debian's service, whose flags are those of internal/lab/etcd",
	"docs/FLEET.md: install -m 0640 -g sallyport berlin.pem":                                  "TestTenMinutes, with the files of its own etcd",
	"docs/FLEET.md: sallyport fleet init":                                                     "TestTenMinutes",
	"docs/FLEET.md: sallyport fleet invite":                                                   "TestTenMinutes",
	"docs/FLEET.md: sallyport client add carol":                                               "TestTenMinutes",
	"docs/FLEET.md: sallyport revoke":                                                         "TestTenMinutes",
	"docs/FLEET.md: sallyport ban add":                                                        "TestTenMinutes",
	"docs/FLEET.md: sallyport fleet restore":                                                  "cmd/sallyport restores a roll like that",
	"docs/LINT.md: sallyport check":                                                           ran,
	`docs/LINT.md: {"config": "/etc/sallyport/sallyport.toml"`:                                "a shape, not an output",
	"docs/ARCHITECTURE.md: wiring":                                                            "house_test.go reads it",
	"docs/LINT.md: [[door]]":                                                                  "made from the tests of internal/lint",
	"docs/LINT.md: tcp/7213":                                                                  "made from the tests of internal/lint",
	"docs/OPERATIONS.md: sudo apt install":                                                    "TestPackageOnDebian",
	"docs/OPERATIONS.md: skopeo copy":                                                         "test/beside runs the image with these options",
	"docs/OPERATIONS.md: sallyport knock gate && wg-quick":                                    "test/beside knocks, and has a tunnel of WireGuard",
	"docs/OPERATIONS.md: sallyport run gate --door desk":                                      "test/beside runs xfreerdp like that",
	"docs/ja/VPS.md: sallyport run gate --door desk":                                          "as in docs/OPERATIONS.md",
	"docs/OPERATIONS.md: make build":                                                          "makes the unit where no package has: cmd/sallyport tests init",
	"docs/OPERATIONS.md: sallyport import knockd":                                             ran,
	"docs/OPERATIONS.md: sallyport events -f":                                                 ran,
	"docs/OPERATIONS.md: sallyport client add bob":                                            "TestQuickStart",
	"docs/OPERATIONS.md: curl -H":                                                             "cmd/sallyport asks the API with these words",
	"docs/OPERATIONS.md: cp packaging/fail2ban":                                               "fail2ban itself reads these files in the tests of packaging",
	"docs/OPERATIONS.md: source: journalctl":                                                  "crowdsec itself reads it in the tests of packaging",
	"docs/OPERATIONS.md: sallyport server-key rotate --suite x25519":                          "TestInvitedDeviceKnocks, TestPageEnrolsItself",
	"docs/OPERATIONS.md: sallyport reload":                                                    "TestAsksOfPackage switches it on",
	"docs/OPERATIONS.md: # /etc/sallyport-asks/options":                                       "TestAsksOfPackage has such options, and TestAskOnThePage a certificate",
	"docs/OPERATIONS.md: sallyport asks":                                                      "TestAskAndApprove",
	"docs/OPERATIONS.md: #!/bin/sh":                                                           "TestExercise runs this script",
	"docs/PERFORMANCE.md: make bench-peers":                                                   "takes an hour",
	"docs/POCKET.md: sallyport page > knock.html":                                             "cmd/sallyport opens that page in browsers",
	"docs/POCKET.md: sallyport client profile bob --host 203.0.113.1 --page | sallyport page": "cmd/sallyport opens that page in browsers",
	"docs/POCKET.md: sallyport client invite phone":                                           "TestPageEnrolsItself",
	"docs/POCKET.md: [spa]":                                                                   "the commands below it are those of TestPageOpens, which has such a gate",
	"docs/VPS.md: sudo sallyport setup":                                                       "TestShortestWay",
	"docs/VPS.md: sallyport pair root@gate.example.org":                                       "TestShortestWay",
	"docs/VPS.md: sallyport ssh gate":                                                         "TestShortestWay",
	"docs/VPS.md: # sallyport setup":                                                          "TestShortestWay",
	"docs/ja/VPS.md: sudo sallyport setup":                                                    "TestShortestWay",
	"docs/ja/VPS.md: sallyport pair root@gate.example.org":                                    "TestShortestWay",
	"docs/ja/VPS.md: sallyport ssh gate":                                                      "TestShortestWay",
	"docs/ja/VPS.md: # sallyport setup":                                                       "TestShortestWay, with the words of docs/VPS.md",

	"docs/PROTOCOL.md: ":    "the format, which the vectors of internal/spa and internal/sequence test; cmd/sallyport runs the client of bash",
	"CONTRIBUTING.md: make": "what CI does",
}

// snippet is a block of code in a document.
type snippet struct {
	document string
	lines    []string
}

// snippets returns the blocks of a document, but those of TOML.
func snippets(t *testing.T, document string) (list []snippet) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	fenced := regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```")
	add := func(block string) {
		s := snippet{document: document}
		for line := range strings.Lines(block) {
			if line = strings.TrimSpace(line); line != "" {
				s.lines = append(s.lines, line)
			}
		}
		list = append(list, s)
	}
	for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "toml" {
			add(m[2])
		}
	}
	rest := fenced.ReplaceAllString(string(text), "")
	for _, m := range regexp.MustCompile(`(?m)(?:^\n|\A)((?:(?:    |\t).*\n(?:\n(?:    |\t))?)+)`).FindAllStringSubmatch(rest, -1) {
		add(m[1])
	}
	return list
}

// Every block of every document has its test, or a reason for none; and the
// table of them has nothing that is gone.
func TestEveryBlockIsTreated(t *testing.T) {
	stale := make(map[string]bool)
	for key := range treated {
		stale[key] = true
	}
	for _, pattern := range []string{"README*.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/ja/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		for _, path := range found {
			document, _ := filepath.Rel(filepath.Join("..", ".."), path)
			for _, s := range snippets(t, document) {
				known := false
				for key := range treated {
					if strings.HasPrefix(document+": "+s.lines[0], key) {
						known, stale[key] = true, false
					}
				}
				if !known {
					t.Errorf("%s: the block that begins with %q is not in the table: run it, or say why not", document, s.lines[0])
				}
			}
		}
	}
	for key, gone := range stale {
		if gone {
			t.Errorf("%s: there is no such block any more", key)
		}
	}
}

// endless are commands that go on until they are stopped.
var endless = regexp.MustCompile(`^sallyport (status --watch|events -f|watch )`)

// run runs the commands of a block that is said to be run here.
func (m machine) run(who, document, first string, instead ...string) {
	m.Helper()
	if treated[document+": "+first] != ran {
		m.Fatalf("%s: %s: not in the table", document, first)
	}
	i := slices.IndexFunc(snippets(m.T, document), func(s snippet) bool { return strings.HasPrefix(s.lines[0], first) })
	for _, line := range snippets(m.T, document)[i].lines {
		line = strings.NewReplacer(instead...).Replace(line)
		if endless.MatchString(line) {
			line = "timeout 2 " + strings.Split(line, "  #")[0] + "; [ $? = 124 ]"
		}
		args := []string{"bash", "-c", "cd /root; " + line}
		if who != "" {
			args = []string{"ip", "netns", "exec", who, "env", "HOME=/home/" + who, "SSH_AUTH_SOCK=", "bash", "-c", "cd; " + line}
		}
		if out, err := m.try(args...); err != nil {
			m.Errorf("%s: %s: %v\n%s", document, line, err, out)
		}
	}
}

// The commands of the documents do what is said of them, or at least succeed, on
// a server that has what they name.
func TestDocuments(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.office()
	m.loginable("alice")
	m.must("sh", "-e", "-c", `
echo 192.0.2.1 office.example.org >> /etc/hosts
cp /home/alice/.ssh/id_ed25519.pub /root/alice.pub
printf '#!/bin/sh\n' > /usr/local/bin/rsync
chmod +x /usr/local/bin/rsync
printf '7000,8000:udp,9000\n' > /root/FILE
printf 'SOURCE ANY\nOPEN_PORTS tcp/993\nKEY_BASE64 %s\n' $(head -c 16 /dev/urandom | base64) > /etc/fwknop/access.conf
printf '[imap]\nsequence = 17001,9002,24003\ncommand = ufw allow from %%IP%% to any port 143 proto tcp\n' > /etc/knockd.conf`)
	m.run("", "README.ja.md", "sallyport init --door ssh=tcp/22 --door web=tcp/8443")
	m.must("bash", "-c", "cp /root/alice.profile /home/alice/")
	m.run("alice", "README.ja.md", "sallyport add alice.profile")
	m.run("alice", "README.md", "sallyport ssh gate")
	m.must("bash", "-c", "cd /root; sallyport door add db=tcp/5432; sallyport config set client.alice.doors ssh,web,db; "+
		"sallyport client add bob --rotating --door web > bob.profile; sallyport client profile alice --host office.example.org > /home/alice/office.profile; "+
		"sallyport config set door.ssh.sequence tcp/27213,udp/8117,tcp/1923,udp/19551,tcp/8807")
	m.run("alice", "docs/CLIENT.md", "sallyport add office.profile")
	m.run("alice", "docs/CLIENT.md", "sallyport ssh office")
	m.run("alice", "docs/CLIENT.md", "sallyport doctor office", "doctor", "doctor --ntp off")
	m.run("alice", "README.md", "sallyport knock gate.example.org tcp/17209", "tcp/17209 udp/9377 tcp/24120 udp/3351 tcp/11890", "tcp/27213 udp/8117 tcp/1923 udp/19551 tcp/8807",
		" && ssh ", " && sleep 1 && ssh root@") // everybody knows the sequence of the README
	m.run("", "docs/LINT.md", "sallyport check", "check --severity warning", "check --severity error", "check --json", "check --json --severity error")
	m.run("", "docs/OPERATIONS.md", "sallyport import knockd")
	m.run("", "docs/OPERATIONS.md", "sallyport events -f", "; sallyport findings ack ID", "")
	m.must("systemctl", "start", "sallyport-console")
	for _, document := range []string{"README.md", "README.ja.md"} {
		m.run("", document, "sallyport check", "sallyport reload --confirm 60s", "sallyport reload --confirm 60s && sallyport confirm", "sallyport top ", "sallyport top --help ")
		m.reaches("bob", true, "22")
		// The daemon ends after it has answered; until then starting it does nothing.
		m.must("bash", "-c", "until [ \"$(systemctl is-active sallyport)\" = inactive ]; do sleep 0.1; done; systemctl start sallyport")
		m.reaches("bob", false, "22")
	}
}

// What a document in the package links to is in the package, too.
func TestLinksInThePackage(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, name := range documents {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if to := path.Join(path.Dir(name), m[1]); !slices.Contains(documents, to) && to != "client" {
				t.Errorf("%s: there is no %s in the package", name, to)
			}
		}
	}
}

// Pictures are small: anyone who clones or installs gets them.
func TestPicturesAreSmall(t *testing.T) {
	for _, name := range documents {
		info, err := os.Stat(filepath.Join("..", "..", name))
		if err != nil || strings.Contains(name, "/pictures/") && info.Size() > 150_000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
