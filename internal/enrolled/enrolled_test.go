package enrolled_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/enrolled"
	"sallyport/internal/packet"
	"sallyport/internal/spa"
)

var now = time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)

func newKey(t testing.TB) []byte {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func record(t testing.TB, name string) enrolled.Record {
	return enrolled.Record{Name: name, Doors: []string{"ssh"}, From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Key: newKey(t), Made: now, Until: now.Add(time.Hour),
		Use: &enrolled.Use{Kind: spa.KindEd25519, Key: newKey(t), At: now}}
}

func TestRecordIsReadAsItIsWritten(t *testing.T) {
	r := record(t, "phone")
	text := r.Marshal()
	got, err := enrolled.Parse(text)
	if err != nil || !bytes.Equal(got.Marshal(), text) || got.Name != "phone" || got.Use == nil {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestHostileRecords(t *testing.T) {
	good := string(record(t, "phone").Marshal())
	with := func(old, now string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s", old)
		}
		return strings.Replace(good, old, now, 1)
	}
	for name, text := range map[string]string{
		"empty":                 "",
		"truncated":             good[:len(good)/2],
		"huge":                  good + strings.Repeat(" ", enrolled.MaxSize),
		"a wrong type":          with(`"phone"`, `7`),
		"a list":                "[" + good + "]",
		"an unknown field":      with(`"name"`, `"nickname": "x", "name"`),
		"a field twice":         with(`"name": "phone"`, `"name": "phone", "name": "root"`),
		"another version":       with(`"version": 1`, `"version": 2`),
		"control characters":    with(`"label": ""`, `"label": "\u001b[2J"`),
		"a turned label":        with(`"label": ""`, `"label": "\u202e"`),
		"a path for a name":     with(`"phone"`, `"../../etc"`),
		"no doors":              with("[\n    \"ssh\"\n  ]", "[]"),
		"a network with bits":   with(`192.0.2.0/24`, `192.0.2.1/24`),
		"a negative time":       with(`"max_open_seconds": 0`, `"max_open_seconds": -1`),
		"two texts":             good + good,
		"an end before it":      with(`"until": "2027-01-02T04:04:05Z"`, `"until": "2027-01-02T03:04:05Z"`),
		"for years":             with(`"until": "2027-01-02T04:04:05Z"`, `"until": "2037-01-02T04:04:05Z"`),
		"a secret not given":    with(`"secret": ""`, `"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"`),
		"a key of another kind": with(`"kind": 1`, `"kind": 2`),
		"a page with a path":    with(`"page": ""`, `"page": "https://knock.example.org/x"`),
	} {
		if r, err := enrolled.Parse([]byte(text)); err == nil {
			t.Errorf("%s: was read as %+v", name, r)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(record(f, "phone").Marshal())
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := enrolled.Parse(text)
		if err != nil {
			return
		}
		if !bytes.Equal(r.Marshal(), text) {
			t.Errorf("%q is read, and written otherwise", text)
		}
		enrolled.Over(&config.Config{Doors: []config.Door{{Name: "ssh"}}}, []enrolled.Record{r})
	})
}

func TestLayer(t *testing.T) {
	a, b, c, d := record(t, "a"), record(t, "b"), record(t, "c"), record(t, "d")
	b.Removed, c.Doors, d.Name = true, []string{"gone"}, "both"
	open := record(t, "open")
	open.Use = nil
	cfg := &config.Config{Daemon: config.Daemon{StateDir: "/var/lib/x"}, Doors: []config.Door{{Name: "ssh", Ports: []packet.Port{{Proto: packet.TCP, Number: 22}}}},
		Clients: []config.Client{{Name: "both", Doors: []string{"ssh"}, Place: config.Place{File: "/etc/x.toml", Line: 3}}}}
	names := func(cfg *config.Config) (list []string) {
		for _, c := range cfg.Clients {
			list = append(list, c.Name)
		}
		return list
	}
	over, left := enrolled.Over(cfg, []enrolled.Record{a, b, c, d, open})
	if got := strings.Join(names(over), " "); got != "both a" {
		t.Errorf("clients: %s", got)
	}
	if len(left) != 2 || !strings.Contains(left[0]+left[1], "/etc/x.toml:3 has a client of the same name") || !strings.Contains(left[0]+left[1], "none of its doors") {
		t.Errorf("left out: %q", left)
	}
	if len(cfg.Clients) != 1 {
		t.Error("the configuration itself has changed")
	}
	again, _ := enrolled.Over(over, []enrolled.Record{c})
	if got := strings.Join(names(again), " "); got != "both" {
		t.Errorf("a layer over a layer: %s", got)
	}
	if !enrolled.Is(over, &over.Clients[1]) || enrolled.Is(over, &over.Clients[0]) {
		t.Error("whose a client is")
	}
	if cl := over.Clients[1]; cl.Key.Type() != ssh.KeyAlgoED25519 || cl.From.Allows(netip.MustParseAddr("203.0.113.1")) || !cl.From.Allows(netip.MustParseAddr("192.0.2.9")) {
		t.Errorf("%+v", cl)
	}
}

func TestTwoRecordsOfOneName(t *testing.T) {
	a, b := record(t, "a"), record(t, "a")
	cfg := &config.Config{Doors: []config.Door{{Name: "ssh"}}}
	if over, left := enrolled.Over(cfg, []enrolled.Record{a, b}); len(over.Clients) != 1 || len(left) != 1 {
		t.Errorf("%d clients, %q", len(over.Clients), left)
	}
}

func TestOver(t *testing.T) {
	r := record(t, "a")
	if r.Over(now.AddDate(10, 0, 0), time.Hour) {
		t.Error("a client is forgotten")
	}
	r.Removed = true
	if r.Over(now.Add(time.Hour), time.Hour) || !r.Over(now.Add(2*time.Hour), time.Hour) {
		t.Error("what is left of a removed client")
	}
	r.Use, r.Removed = nil, false
	if r.Over(now.Add(59*time.Minute), time.Hour) || !r.Over(now.Add(time.Hour), time.Hour) {
		t.Error("an open invite")
	}
}

func TestOrigin(t *testing.T) {
	for page, want := range map[string]string{
		"https://knock.example.org/k.html#x":  "https://knock.example.org",
		"https://KNOCK.Example.org:8443/":     "https://knock.example.org:8443",
		"https://knock.example.org:443/":      "https://knock.example.org",
		"https://knock.example.org:/":         "https://knock.example.org",
		"https://203.0.113.1/":                "https://203.0.113.1",
		"https://[2001:DB8::1]:8443/":         "https://[2001:db8::1]:8443",
		"https://xn--bcher-kva.example/":      "https://xn--bcher-kva.example",
		"https://b\u00fccher.example/":        "",
		"https://b%C3%BCcher.example/":        "",
		"https://knock%E2%80%AE.example.org/": "",
		"https://user@knock.example.org/":     "",
		"http://knock.example.org/":           "",
		"https:///k.html":                     "",
		"https://[fe80::1%25eth0]/":           "",
		"javascript://knock.example.org/":     "",
	} {
		got, err := enrolled.Origin(page)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v, want %q", page, got, err, want)
		}
		if again, err := enrolled.Origin(got); want != "" && (err != nil || again != got) {
			t.Errorf("%s: its origin is read as %q, %v", page, again, err)
		}
	}
}
