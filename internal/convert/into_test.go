package convert

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"sallyport/internal/config"
	"sallyport/internal/sequence"
)

// configured is a configuration that is there already.
func configured(t *testing.T, main string) *Into {
	t.Helper()
	const path = "/etc/sallyport/sallyport.toml"
	load := func(more string) (*config.Config, error) {
		return config.Load(fstest.MapFS{path[1:]: {Data: []byte(main), Mode: 0o600}, "etc/sallyport/conf.d/import.toml": {Data: []byte(more), Mode: 0o600}}, path)
	}
	cfg, err := load("# nothing yet\n")
	if err != nil {
		t.Fatal(err)
	}
	return &Into{Config: cfg, Path: "/etc/sallyport/conf.d/import.toml", Load: load}
}

// testSecret is a test vector: the rotating secret of nobody.
var testSecret = sequence.NewSecret([20]byte{1}).Text()

const (
	afterInit = "[spa]\nport = 40321\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n"
	opens8443 = "command = ufw allow from %IP% to any port 8443 proto tcp\n"
	carried   = "KEY hunter2-hunter2\nHMAC_KEY hunter2-another\n"
)

// An import becomes part of the configuration that is there: it always loads
// with it, and what is in the way gets another name or becomes a comment.
func TestIntoAConfiguration(t *testing.T) {
	for _, c := range []struct {
		name, main, knockd, fwknop string
		doors                      string // of both together
		says                       []string
	}{
		{name: "beside what init has made", main: afterInit,
			knockd: "[web]\nsequence = 5000,4000,3000\n" + opens8443,
			doors:  "ssh [tcp/22] 30s: [] in 10s\nweb [tcp/8443] 1h0m0s: [tcp/5000 tcp/4000 tcp/3000] in 25s"},
		{name: "the port has a door", main: afterInit,
			knockd: "[openSSH]\nsequence = 5000,4000,3000\nseq_timeout = 15\n" + opens22,
			doors:  "ssh [tcp/22] 30s: [] in 10s",
			says:   []string{`tcp/22 is a port of door "ssh" already (/etc/sallyport/sallyport.toml:3), so this one is a comment only. To open that door with this sequence: # sallyport config set door.ssh.sequence tcp/5000,tcp/4000,tcp/3000 # sallyport config set door.ssh.within 15s`}},
		{name: "the port has a door with the same sequence", main: afterInit + "sequence = [\"tcp/5000\", \"tcp/4000\", \"tcp/3000\"]\n",
			knockd: "[openSSH]\nsequence = 5000,4000,3000\n" + opens22,
			doors:  "ssh [tcp/22] 30s: [tcp/5000 tcp/4000 tcp/3000] in 10s",
			says:   []string{"That door has the same sequence: there is nothing to do."}},
		{name: "the door has another sequence, and more ports", main: "[[door]]\nname = \"all\"\nports = [\"tcp/22\", \"tcp/80\"]\nsequence = [\"tcp/5005\", \"tcp/4004\", \"tcp/3003\"]\n",
			knockd: "[openSSH]\nsequence = 5000,4000,3000\n" + opens22,
			doors:  "all [tcp/22 tcp/80] 30s: [tcp/5005 tcp/4004 tcp/3003] in 10s",
			says:   []string{"That door has a sequence of its own, which this would replace (it guards tcp/80, too, which the sequence would open):"}},
		{name: "the name is taken", main: afterInit + "[[group]]\nname = \"web\"\ndoors = [\"ssh\"]\n",
			knockd: "[SSH]\nsequence = 5000,4000,3000\n" + opens8443 + "[web]\nsequence = 5001,4001,3001\ncommand = ufw allow from %IP% to any port 80 proto tcp\n",
			doors:  "ssh [tcp/22] 30s: [] in 10s\nssh-2 [tcp/8443] 1h0m0s: [tcp/5000 tcp/4000 tcp/3000] in 25s\nweb-2 [tcp/80] 1h0m0s: [tcp/5001 tcp/4001 tcp/3001] in 25s",
			says:   []string{`There is a door "ssh" already: this one is called "ssh-2"`, `There is a door "web" already`}},
		{name: "a knock is a port of a door", main: afterInit + "[[door]]\nname = \"x\"\nports = [\"tcp/4000\"]\n",
			knockd: "[web]\nsequence = 5000,4000,3000\n" + opens8443,
			doors:  "ssh [tcp/22] 30s: [] in 10s\nx [tcp/4000] 30s: [] in 10s\nweb [tcp/8443] 1h0m0s: [tcp/20010 udp/3010 tcp/9010 udp/18010 tcp/5010] in 25s",
			says:   []string{`tcp/4000 is a port of door "x"`, "The one here is new and random"}},
		{name: "a present sequence begins with it", main: "[[door]]\nname = \"x\"\nports = [\"tcp/1\"]\nsequence = [\"tcp/5000\", \"tcp/4000\", \"tcp/3000\", \"tcp/2000\"]\n",
			knockd: "[web]\nsequence = 5000,4000,3000\n" + opens8443,
			doors:  "x [tcp/1] 30s: [tcp/5000 tcp/4000 tcp/3000 tcp/2000] in 10s\nweb [tcp/8443] 1h0m0s: [tcp/20010 udp/3010 tcp/9010 udp/18010 tcp/5010] in 25s"},
		{name: "it begins with a present sequence", main: "[[door]]\nname = \"x\"\nports = [\"tcp/1\"]\nsequence = [\"tcp/5000\", \"tcp/4000\"]\n",
			knockd: "[web]\nsequence = 5000,4000,3000\n" + opens8443,
			doors:  "x [tcp/1] 30s: [tcp/5000 tcp/4000] in 10s\nweb [tcp/8443] 1h0m0s: [tcp/20010 udp/3010 tcp/9010 udp/18010 tcp/5010] in 25s"},
		{name: "the port is public", main: "[gate]\npolicy = \"all\"\npublic = [\"tcp/8443\"]\n",
			knockd: "[web]\nsequence = 5000,4000,3000\n" + opens8443, doors: "",
			says: []string{"a comment only, because it would be refused: gate: public: tcp/8443"}},
		{name: "its port is a knock", main: "[[door]]\nname = \"x\"\nports = [\"tcp/1\"]\nsequence = [\"tcp/8443\", \"tcp/5000\", \"tcp/4000\"]\n",
			knockd: "[web]\nsequence = 5000,4001,3000\n" + opens8443,
			doors:  "x [tcp/1] 30s: [tcp/8443 tcp/5000 tcp/4000] in 10s",
			says:   []string{"a comment only"}},
		{name: "a client of fwknop for a door that is there", main: afterInit,
			fwknop: "SOURCE ANY\nOPEN_PORTS tcp/22\n" + carried,
			doors:  "ssh [tcp/22] 30s: [] in 10s",
			says:   []string{`tcp/22 is a port of door "ssh" already`, "fwknop_port = 62201", `doors = ["ssh"]`}},
		{name: "a client of fwknop for less than a door", main: "[spa]\nport = 40321\nfwknop_port = 7777\n[[door]]\nname = \"all\"\nports = [\"tcp/22\", \"tcp/80\"]\n",
			fwknop: "SOURCE ANY\nOPEN_PORTS tcp/22\n" + carried,
			doors:  "all [tcp/22 tcp/80] 30s: [] in 10s",
			says:   []string{"which opens more than this stanza did. It is left out", "it has no door"}},
		{name: "all of a door's ports", main: "[spa]\nport = 40321\nfwknop_port = 7777\n[[door]]\nname = \"all\"\nports = [\"tcp/22\", \"tcp/80\"]\n[[client]]\nname = \"alice\"\ndoors = [\"all\"]\nrotating = \"SECRET\"\n",
			fwknop: "SOURCE ANY\nREQUIRE_USERNAME alice\nREQUIRE_SOURCE_ADDRESS Y\nOPEN_PORTS tcp/80,tcp/22,tcp/443\n" + carried,
			doors:  "all [tcp/22 tcp/80] 30s: [] in 10s\nhttps [tcp/443] 30s: [] in 10s",
			says:   []string{`There is a client "alice" already: this one is called "alice-2"`, `doors = ["all", "https"]`, "require_bound = true"}},
		{name: "its port is that of messages", main: "[spa]\nport = 62201\n" + afterInit[len("[spa]\nport = 40321\n"):],
			fwknop: "SOURCE ANY\nOPEN_PORTS tcp/22\n" + carried,
			doors:  "ssh [tcp/22] 30s: [] in 10s",
			says:   []string{"fwknop_port = 62201", "fwknop_port is the same as port"}},
		{name: "require_bound is set to false", main: "[spa]\nport = 40321\nrequire_bound = false\n" + afterInit[len("[spa]\nport = 40321\n"):],
			fwknop: "SOURCE ANY\nREQUIRE_SOURCE_ADDRESS Y\nOPEN_PORTS tcp/22\n" + carried,
			doors:  "ssh [tcp/22] 30s: [] in 10s",
			says:   []string{"require_bound = true", "would be refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			main := strings.ReplaceAll(c.main, "SECRET", testSecret)
			into := configured(t, main)
			r, err := Knockd(c.knockd, counting(), into)
			if c.knockd == "" {
				r, err = Fwknop(c.fwknop, into)
			}
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := into.Load(r.Text)
			if err != nil {
				t.Fatalf("does not load: %v\n%s", err, r.Text)
			}
			if got := doors(cfg); got != c.doors {
				t.Errorf("\n got %s\nwant %s\n%s", got, c.doors, r.Text)
			}
			if want := len(cfg.Doors) - len(into.Config.Doors); r.Doors != want {
				t.Errorf("%d doors, want %d", r.Doors, want)
			}
			for _, s := range c.says {
				if !strings.Contains(flat(r.Text), s) {
					t.Errorf("does not say %q:\n%s", s, r.Text)
				}
			}
		})
	}
}

// What is present is the same afterwards, whatever is imported.
func FuzzInto(f *testing.F) {
	f.Add("[ssh]\nsequence=5000,4000\n" + opens22 + "[ssh]\nsequence=40321:udp,4000\n" + opens8443)
	f.Add("SOURCE ANY\nOPEN_PORTS tcp/22,udp/40321,tcp/9\nREQUIRE_USERNAME alice\n" + carried)
	f.Fuzz(func(t *testing.T, text string) {
		into := configured(t, afterInit+"sequence = [\"tcp/5000\", \"tcp/4001\", \"udp/777\"]\n[[client]]\nname = \"alice\"\ndoors = [\"ssh\"]\nrotating = \""+testSecret+"\"\n")
		before := fmt.Sprint(into.Config.Doors[0], into.Config.Clients[0])
		for _, read := range []func() (Result, error){
			func() (Result, error) { return Knockd(text, counting(), into) },
			func() (Result, error) { return Fwknop(text, into) },
		} {
			r, err := read()
			if err != nil {
				if strings.Contains(err.Error(), "becomes what is refused") {
					t.Error(err)
				}
				continue
			}
			cfg, err := into.Load(r.Text)
			if err != nil {
				t.Fatalf("%v\n%s", err, r.Text)
			}
			if after := fmt.Sprint(cfg.Doors[0], cfg.Clients[0]); after != before {
				t.Errorf("%s has become %s", before, after)
			}
		}
	})
}
