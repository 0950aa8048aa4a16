package guide

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/lang"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// The keys are made out of a letter, so that they are no secret of anybody, and
// the golden files stay the same.
func sshKey(letter string) string {
	public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte(letter), 32)).Public().(ed25519.PublicKey)
	key, _ := ssh.NewPublicKey(public)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func fidoKey(letter string) string {
	public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte(letter), 32)).Public().(ed25519.PublicKey)
	blob := ssh.Marshal(struct{ Type, Key, App string }{ssh.KeyAlgoSKED25519, string(public), "ssh:"})
	return ssh.KeyAlgoSKED25519 + " " + base64.StdEncoding.EncodeToString(blob)
}

var (
	rotatingA = strings.Repeat("MFRGG2LT", 4)
	rotatingB = strings.Repeat("ONSWG4TF", 4)
)

// The three configurations: one server, a router with containers, a company.
var configurations = map[string]map[string]string{
	"vps": {"etc/sallyport/sallyport.toml": `
[spa]
port = 40321
require_bound = true
[[door]]
name = "ssh"
label = "Login"
ports = ["tcp/22"]
[[client]]
name = "me"
label = "Laptop"
doors = ["ssh"]
key = "` + sshKey("m") + `"
`},
	"router": {
		"etc/sallyport/sallyport.toml": `
[gate]
policy = "all"
closed = "reject"
interfaces = ["ppp0"]
trusted = ["192.168.1.0/24"]
[spa]
fwknop_port = 62201
[journal]
chain = false
[detect]
enabled = false
[[door]]
name = "web"
ports = ["tcp/8443", "tcp/9000-9005"]
to = ["172.17.0.2"]
sequence = ["tcp/30211", "udp/7759", "udp/26903", "tcp/11468", "udp/18325"]
sequence_previous = ["tcp/21409", "udp/4813", "udp/28761", "tcp/9377", "udp/15042"]
sequence_previous_until = 2026-11-20
single = true
[[door]]
name = "nas"
label = "Files"
ports = ["tcp/445"]
sequences_file = "/etc/sallyport/nas.sequences"
[[group]]
name = "home"
doors = ["web", "nas"]
sequence = ["tcp/17209", "tcp/9377", "udp/24120", "tcp/3351", "udp/11890"]
[[client]]
name = "old"
doors = ["nas"]
fwknop = { key = "correct horse", hmac = "battery staple" }
`,
		"etc/sallyport/nas.sequences": "tcp/7213 udp/28114 tcp/1923 udp/19551 tcp/8807\n",
	},
	"company": {
		"etc/sallyport/sallyport.toml": `
[gate]
policy = "all"
public = ["tcp/443"]
rotation_due = "90d"
timezone = "Asia/Tokyo"
[spa]
port = 40321
stun = true
authorized_keys = "/etc/sallyport/authorized_keys"
[journal]
keep = "365d"
max_size = "2GiB"
[metrics]
listen = "127.0.0.1:9477"
[api]
listen = "127.0.0.1:9478"
token_file = "/etc/sallyport/api.token"
[detect]
ssh_log = "journal"
geoip = "/usr/share/GeoIP/country.mmdb"
[ban]
enabled = true
decoys = ["tcp/443"]
[[door]]
name = "ssh"
label = "営業部、保守用"
ports = ["tcp/22"]
hours = ["Mon-Fri 08:00-18:00"]
widen4 = 24
sequence = ["tcp/30211", "udp/7759", "udp/26903", "tcp/11468", "udp/18325"]
changed = 2026-10-01
[[door]]
name = "db"
label = "Accounts"
ports = ["tcp/5432"]
[[group]]
name = "ops"
doors = ["ssh", "db"]
[[client]]
name = "alice"
label = "Sato's token"
doors = ["ops"]
key = "` + fidoKey("a") + `"
from = ["203.0.113.0/24"]
expires = 2027-03-31
stun = true
max_grants = 2
[[client]]
name = "bob"
doors = ["db"]
rotating = "` + rotatingA + `"
changed = 2026-06-01
[[hook]]
on = ["finding"]
command = ["/usr/local/bin/notify", "hunter2"]
[[webhook]]
url = "https://chat.example/hooks/secret-path"
`,
		"etc/sallyport/authorized_keys": `doors="db" ` + sshKey("c") + " carol\n",
	},
}

const policyText = `name = "Remote access, 2026"
ways = ["spa", "rotating"]
longest_grant = "10m"
least_bits = 64
oldest_secret = "90d"
longest_expiry = "365d"
require_hours = true
require_bound = true
security_keys = ["ops"]
shortest_journal = "30d"
longest_journal = "400d"
review_every = "180d"
`

func policyOf(t *testing.T, text string) *config.Requirements {
	t.Helper()
	p, err := config.LoadRequirements(fstest.MapFS{"policy.toml": {Data: []byte(text), Mode: 0o644}}, "/policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func load(t *testing.T, files map[string]string) *config.Config {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	cfg, err := config.Load(fsys, "/etc/sallyport/sallyport.toml")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// subject is one of the three, and "none": a configuration without anything.
// The company has a policy.
func subject(t *testing.T, name string, l lang.Lang) Subject {
	t.Helper()
	s := Subject{Host: "gate.example", Lang: l, Now: now}
	if name == "none" {
		s.Config = load(t, map[string]string{"etc/sallyport/sallyport.toml": "# nothing\n"})
		s.Policy = policyOf(t, "security_keys = [\"*\"]\n")
		return s
	}
	s.Config = load(t, configurations[name])
	if name == "company" {
		s.Policy = policyOf(t, policyText)
	}
	return s
}

// where says in which of the four each sentence stands. It is written by hand
// from what the sentences say, not made by the program.
var where = map[string]string{
	"made": "none vps router company", "doors-closed": "vps", "all-closed": "router company", "nothing-closed": "none",
	"public": "company", "none-public": "router", "trusted": "router", "interfaces": "router", "behind": "router",
	"drop": "none vps company", "reject": "router", "login": "vps router company",

	"doors": "vps router company", "clients": "vps router company", "no-clients": "none", "groups": "router company",
	"nameless": "router company", "most": "company", "single": "router", "wide": "company", "unexplained": "router", "unnamed": "router company",

	"private-key": "vps company", "security-keys": "company", "bound": "vps", "stun": "company", "rotating": "company", "static": "router company",
	"one-time": "router", "fwknop": "router", "file": "router company", "due-doors": "company", "due-clients": "company", "no-due": "router",

	"policy": "none company", "policy-ways": "company", "policy-grant": "company", "policy-bits": "company", "policy-age": "company",
	"policy-expiry": "company", "policy-hours": "company", "policy-bound": "company", "policy-fido-all": "none", "policy-fido": "company",
	"policy-keep": "company", "policy-forget": "company",

	"journal": "none vps router company", "personal": "none vps router company", "chain": "none vps company", "no-chain": "router",
	"findings": "none vps company", "no-findings": "router", "logins": "company", "countries": "company", "webhooks": "company",
	"hooks": "company", "metrics": "company", "bans": "company", "decoys": "company",

	"administrators": "none vps router company", "holders": "vps router company", "sharers": "router company",
	"watchers": "none vps company", "readers": "router", "machine": "company",

	"lost-key": "vps router company", "lost-secret": "company", "lost-sequence": "router company", "lost-group-sequence": "router",
	"leaver": "vps router company", "leaver-file": "company", "leaver-sequence": "router company",
	"critical": "none vps company", "high": "none vps company", "medium": "none vps company", "low": "none vps company", "info": "none vps company",
	"down": "vps router company", "out-trusted": "router", "out-console": "vps company", "banned": "company",

	"dates": "router company", "overdue": "company", "endless": "vps router company", "review": "company", "no-review": "none vps router",
}

// always are the sentences that are true of every configuration.
var always = []string{"made", "journal", "personal", "administrators"}

func TestEachSentenceWhereItIsTrue(t *testing.T) {
	all := []string{"none", "vps", "router", "company"}
	seen := make(map[string]bool)
	for _, name := range all {
		w := write(subject(t, name, lang.English))
		present := make(map[string]bool)
		for _, s := range w.guide.Sections {
			for _, i := range s.Items {
				present[i.Clause] = true
			}
		}
		for _, clause := range w.clauses {
			seen[clause] = true
			if want := slices.Contains(strings.Fields(where[clause]), name); present[clause] != want {
				t.Errorf("%s: sentence %q is there: %v, want %v", name, clause, present[clause], want)
			}
		}
	}
	for clause := range maps.Keys(where) {
		n := len(strings.Fields(where[clause]))
		if !seen[clause] {
			t.Errorf("there is no sentence %q", clause)
		}
		if n == 0 || n == len(all) != slices.Contains(always, clause) {
			t.Errorf("sentence %q: it is not shown both there and not there", clause)
		}
	}
}

func render(t *testing.T, g *Guide) (markdown, html string) {
	t.Helper()
	var m, h bytes.Buffer
	if err := g.Markdown(&m); err != nil {
		t.Fatal(err)
	}
	if err := g.HTML(&h); err != nil {
		t.Fatal(err)
	}
	return m.String(), h.String()
}

func TestGolden(t *testing.T) {
	for name := range configurations {
		for _, l := range []lang.Lang{lang.English, lang.Japanese} {
			markdown, html := render(t, New(subject(t, name, l)))
			compare(t, "testdata/"+name+"."+l.Tag()+".md", markdown)
			if name == "company" {
				compare(t, "testdata/"+name+"."+l.Tag()+".html", html)
			}
		}
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is written: go test ./internal/guide -update, and look at the difference", path)
	}
}

// Neither knocks nor keys, nor words of commands and addresses that may hold one.
func TestNoSecretInIt(t *testing.T) {
	secrets := regexp.MustCompile(`tcp/30211|7759|26903|21409|4813|17209|24120|7213|28114|` + rotatingA + `|` + rotatingB +
		`|correct horse|battery staple|hunter2|secret-path|chat\.example|AAAA`)
	for name := range configurations {
		for _, l := range []lang.Lang{lang.English, lang.Japanese} {
			markdown, html := render(t, New(subject(t, name, l)))
			for _, text := range []string{markdown, html} {
				if found := secrets.FindString(text); found != "" {
					t.Errorf("%s has %q", name, found)
				}
			}
		}
	}
}

// What people have chosen does nothing in either form.
func TestHostileTexts(t *testing.T) {
	const label = "<script>alert(1)</script>[x](javascript:y)`c`|*b*_u_ https://evil.example www.evil.example a@b $x$"
	s := subject(t, "vps", lang.English)
	s.Host = label
	s.Config.Doors[0].Label = label
	s.Config.Clients[0].Label = "\x1b[31m\u202e" + label
	s.Config.Journal.Path = "/var/``|<b>/journal.db"
	s.Policy = policyOf(t, "review_every = \"1d\"\n")
	s.Policy.Name = label
	markdown, html := render(t, New(s))

	for _, raw := range []string{"<script", "<b>", "\x1b", "\u202e", standIn} {
		if strings.Contains(html, raw) {
			t.Errorf("the page has %q", raw)
		}
	}
	outside := regexp.MustCompile("(```) .*? ```|`[^`]*`").ReplaceAllString(strings.ReplaceAll(markdown, "\\`", ""), "")
	for _, raw := range []string{"<", ">", "[x]", "*b", "_u", "://evil", "www.e", "a@b", "$x", "\x1b", "\u202e", standIn, "`"} {
		for at := 0; ; {
			i := strings.Index(outside[at:], raw)
			if i < 0 {
				break
			}
			if i+at == 0 || outside[i+at-1] != '\\' {
				t.Errorf("Markdown has %q: %s", raw, outside[max(0, at+i-30):min(len(outside), at+i+30)])
			}
			at += i + 1
		}
	}
	unescaped := regexp.MustCompile(`(^|[^\\])\|`)
	for line := range strings.Lines(markdown) { // a stroke makes no cell of its own
		if cells := len(unescaped.FindAllString(line, -1)); strings.HasPrefix(line, "| `ssh`") && cells != 7 {
			t.Errorf("%d strokes: %s", cells, line)
		}
	}
}
