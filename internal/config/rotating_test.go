package config

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/sequence"
)

const (
	secretA = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	secretB = "KVKFKRCPNZQUYMLXOVYDSQKJKZDTSRLD"
)

func secret(text string) sequence.Secret {
	s, err := sequence.ParseSecret(text)
	if err != nil {
		panic(err)
	}
	return s
}

func rotatingClient(name, more string) string {
	return fmt.Sprintf(`{name=%q, doors=["ssh"], %s}`, name, more)
}

func clients(list ...string) string {
	return doors(aDoor) + "\nclient=[" + strings.Join(list, ",") + "]"
}

func TestRotating(t *testing.T) {
	c := loaded(t, "sallyport.toml", "rotating={knocks=7, ports='20000-21023', proto='both', within='20s'}\n"+
		clients(rotatingClient("bob", `changed=2026-11-01, rotating="`+secretA+`", rotating_previous="`+secretB+`", rotating_previous_until=2026-11-15`)))
	if want := (Rotating{sequence.Shape{Knocks: 7, First: 20000, Last: 21023, Protos: sequence.BothProtos}, 20 * time.Second}); c.Rotating != want {
		t.Errorf("%+v", c.Rotating)
	}
	bob := c.Clients[0]
	until := time.Date(2026, 11, 15, 0, 0, 0, 0, time.UTC)
	if bob.Key != nil || bob.Rotating != (Secret{secret(secretA), secret(secretB), until}) || bob.Changed != until.AddDate(0, 0, -14) {
		t.Errorf("%+v", bob)
	}
	if got := bob.Rotating.Secrets(until.Add(-1)); len(got) != 2 {
		t.Errorf("before the end: %d secrets", len(got))
	}
	if got := bob.Rotating.Secrets(until); len(got) != 1 || got[0] != secret(secretA) {
		t.Errorf("from the end on: %d secrets", len(got))
	}
}

func TestRotatingRefuses(t *testing.T) {
	const wantRange = `want a range of ports within 1-32767, such as "1024-32767"`
	const wantSecret = `want a secret of 32 to 104 characters, A-Z and 2-7, in groups of 8: sallyport client rotate makes one`
	r := func(s string) string { return "rotating={" + s + "}" }
	a := rotatingClient("a", `rotating="`+secretA+`"`)
	for _, c := range []struct{ toml, want string }{
		{r("knocks=4"), `:1: rotating: 4 knocks: want 5 to 16`},
		{r("knocks=0"), `:1: rotating: 0 knocks: want 5 to 16`},
		{r("knocks=17"), `:1: rotating: knocks = 17: want 0 to 16`},
		{r("ports='1024-32768'"), `:1: rotating: ports = "1024-32768": ` + wantRange},
		{r("ports='2000-1000'"), `:1: rotating: ports = "2000-1000": ` + wantRange},
		{r("ports='0-9000'"), `:1: rotating: ports = "0-9000": ` + wantRange},
		{r("ports='01000-9000'"), `:1: rotating: ports = "01000-9000": ` + wantRange},
		{r("ports='1024'"), `:1: rotating: ports = "1024": ` + wantRange},
		{r("ports=1024"), `:1: rotating: ports = 1024: ` + wantRange},
		{r("ports='1000-2000', knocks=9"), `:1: rotating: ports 1000-2000: 974 of them count: want at least 1000 (docs/PROTOCOL.md lists those that are left out)`},
		{r("ports='1024-2047'"), `:1: rotating: 5 knocks in 1021 ports can be guessed (50 bits): want more knocks or ports, 64 bits at least`},
		{r("proto='icmp'"), `:1: rotating: proto = "icmp": want "tcp" or "udp" or "both"`},
		{r("within='21s'"), `:1: rotating: within = "21s": want 100ms to 20s`},
		{r("period='30s'"), `:1: rotating: unknown key "period": want knocks, ports, proto or within`},
		{clients(rotatingClient("a", `changed=2026-11-01`)), `:2: client "a": key is missing: want a public key in quotes, such as "ssh-ed25519 AAAA… alice@laptop", or rotating, or both; or fwknop`},
		{clients(rotatingClient("a", `rotating="ABC"`)), `:2: client "a": rotating: ` + wantSecret},
		{clients(rotatingClient("a", `rotating=["`+secretA+`"]`)), `:2: client "a": rotating: want a secret in quotes, as sallyport client rotate makes it`},
		{clients(a, rotatingClient("b", `rotating="`+secretA+`"`)), `:2: client "b": rotating: client "a" has the same secret at ` + main + `:2: want a secret of its own`},
		{clients(a, rotatingClient("b", `rotating="`+secretB+`", rotating_previous="`+secretA+`", rotating_previous_until=2026-11-15`)), `:2: client "b": rotating_previous: client "a" has the same secret at ` + main + `:2: want a secret of its own`},
		{clients(rotatingClient("b", `rotating="`+secretA+`", rotating_previous="`+secretA+`", rotating_previous_until=2026-11-15`)), `:2: client "b": rotating_previous is the same secret as rotating: want the one before`},
		{clients(rotatingClient("b", `rotating="`+secretA+`", rotating_previous="`+secretB+`"`)), `:2: client "b": rotating_previous and rotating_previous_until belong together: want both or none`},
		{clients(rotatingClient("b", `key="`+aKey+`", rotating_previous="`+secretA+`", rotating_previous_until=2026-11-15`)), `:2: client "b": rotating_previous means nothing without rotating: remove it`},
		{"gate.rotation_due='90'", `:1: gate: rotation_due = "90": want a number of days in quotes, such as "90d", 1d to 3650d`},
		{"gate.rotation_due='0d'", `:1: gate: rotation_due = "0d": want a number of days in quotes, such as "90d", 1d to 3650d`},
		{"gate.rotation_due='2160h'", `:1: gate: rotation_due = "2160h": want a number of days in quotes, such as "90d", 1d to 3650d`},
	} {
		t.Run("", func(t *testing.T) { refuses(t, tree("sallyport.toml", c.toml), main+c.want) })
	}
}

func TestPreviousSequences(t *testing.T) {
	d := func(more string) string { return `door=[{name="ssh", ports=["tcp/22"], ` + more + `}]` }
	const current, until = `sequence=["tcp/9","udp/3"], `, `, sequence_previous_until=2026-11-15`
	c := loaded(t, "sallyport.toml", d(current+`sequence_previous=["tcp/8","udp/2"]`+until))
	if got := c.Doors[0]; cmp.Diff(ports("tcp/8", "udp/2"), got.Previous) != "" || got.PreviousUntil.IsZero() {
		t.Errorf("%+v", got)
	}
	for _, c := range []struct{ toml, want string }{
		{d(current + `sequence_previous=["tcp/8"]` + until), `sequence_previous has 1 knock: want 2 to 16`},
		{d(current + `sequence_previous=["tcp/8","tcp/22"]` + until), `sequence_previous: tcp/22 is a port of door "ssh": want knocks on closed ports only`},
		{d(current + `sequence_previous=["tcp/8","tcp/9"]` + until), strings.Replace(wantScan, "sequence:", "sequence_previous:", 1)},
		{d(current + `sequence_previous=["tcp/9","udp/3","tcp/1"]` + until), `sequence: that of door "ssh" at ` + main + `:1 begins with it, so knocking that opens this door too: change one of them`},
		{d(current + `sequence_previous=["tcp/8","udp/2"]`), `sequence_previous and sequence_previous_until belong together: want both or none`},
		{d(`sequence_previous=["tcp/8","udp/2"]` + until), `sequence_previous means nothing without sequence: remove it`},
	} {
		t.Run("", func(t *testing.T) { refuses(t, tree("sallyport.toml", c.toml), main+`:1: door "ssh": `+c.want) })
	}
}

func oneTime(content string, mode fs.FileMode) fstest.MapFS {
	fsys := tree("sallyport.toml", `door=[{name="ssh", ports=["tcp/22"], within="5s", sequences_file="/etc/list"}]`)
	fsys["etc/list"] = &fstest.MapFile{Data: []byte(content), Mode: mode}
	return fsys
}

func TestOneTimeSequences(t *testing.T) {
	c, err := Load(oneTime("# for the journey\n\ntcp/9 udp/3\n  udp/3\ttcp/9 udp/4 # the second\n", 0o640), main)
	if err != nil {
		t.Fatal(err)
	}
	want := []OneTime{
		{ports("tcp/9", "udp/3"), Place{"/etc/list", 3}},
		{ports("udp/3", "tcp/9", "udp/4"), Place{"/etc/list", 4}},
	}
	if d := cmp.Diff(want, c.Doors[0].OneTime); d != "" {
		t.Error(d)
	}
	c, err = Load(oneTime("# all used up\n", 0o600), main)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Doors[0].OneTime); n != 0 {
		t.Errorf("%d sequences in a file without any", n)
	}
	for _, c := range []struct {
		content string
		mode    fs.FileMode
		want    string
	}{
		{"tcp/9", 0o600, "/etc/list:1: one-time sequence: 1 knock: want 2 to 16"},
		{"tcp/9, udp/3", 0o600, `/etc/list:1: one-time sequence: port number "9," in "tcp/9," is out of range: want 1 to 65535`},
		{"tcp/9 udp/3\ntcp/9  udp/3", 0o600, "/etc/list:2: one-time sequence: the same as in line 1: it would be used already"},
		{"tcp/9 tcp/22", 0o600, `/etc/list:1: door "ssh": one-time sequence: tcp/22 is a port of door "ssh": want knocks on closed ports only`},
		{"tcp/9 tcp/10", 0o600, `/etc/list:1: door "ssh": ` + strings.Replace(wantScan, "sequence:", "one-time sequence:", 1)},
		{"tcp/9 \xff", 0o600, "/etc/list:1: is not UTF-8 text: save the file as UTF-8"},
		{strings.Repeat("x", 1000), 0o600, `/etc/list:1: one-time sequence: "` + strings.Repeat("x", 60) + `…" is not a port: want tcp/NUMBER or udp/NUMBER`},
		{"tcp/9 udp/3", 0o644, main + `:1: door "ssh": sequences_file: sequences are secrets, but others may use this file (mode 0644): run chmod g-w,o-rwx /etc/list`},
		{"tcp/9 udp/3", fs.ModeNamedPipe | 0o600, main + `:1: door "ssh": sequences_file: /etc/list is not a regular file`},
	} {
		t.Run("", func(t *testing.T) { refuses(t, oneTime(c.content, c.mode), c.want) })
	}
}

func TestSecretsNeedAPrivateFile(t *testing.T) {
	fsys := tree("sallyport.toml", clients(rotatingClient("a", `rotating="`+secretA+`"`)))
	fsys["etc/sallyport/sallyport.toml"].Mode = 0o644
	refuses(t, fsys, main+`:2: client "a": a secret is no secret if everybody may use this file (mode 0644): run chmod o-rwx `+main)
}

func TestRotatingIsBounded(t *testing.T) {
	write := func(from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, "[[client]]\nname = \"c%d\"\ndoors = [\"ssh\"]\nrotating = %q\n", i, sequence.NewSecret([20]byte{byte(i), byte(i >> 8), 1}).Text())
		}
		return b.String()
	}
	const half = maxRotating / 2 // in each file, for none may have more than a megabyte
	main := doors(aDoor) + "\n" + write(0, half)
	loaded(t, "sallyport.toml", main, "conf.d/a.toml", write(half, maxRotating))
	_, err := Load(tree("sallyport.toml", main, "conf.d/a.toml", write(half, maxRotating+1)), dir+"sallyport.toml")
	if err == nil || !strings.Contains(err.Error(), `client "c10000": rotating: more than 10000 pairs`) {
		t.Errorf("%v", err)
	}
}

// The messages never show a secret.
func TestMessagesKeepSecrets(t *testing.T) {
	for _, text := range []string{
		clients(rotatingClient("a", `rotating="`+secretA+`="`)),
		clients(rotatingClient("a", `rotating=["`+secretA+`"]`)),
		clients(rotatingClient("a", `rotating="`+secretA+`", rotating_previous="`+secretA+`"`)),
	} {
		if _, err := Load(tree("sallyport.toml", text), main); err == nil || strings.Contains(err.Error(), secretA) {
			t.Errorf("%v", err)
		}
	}
}

func TestOverdue(t *testing.T) {
	c := loaded(t, "sallyport.toml", "gate.rotation_due='90d'\ndoor=["+
		`{name="new", ports=["tcp/1"], sequence=["tcp/9","udp/3"], changed=2026-09-01},`+
		`{name="old", ports=["tcp/2"], sequence=["tcp/8","udp/3"], changed=2026-08-02},`+
		`{name="unknown", ports=["tcp/3"], sequence=["tcp/7","udp/3"]},`+
		`{name="ssh", ports=["tcp/22"]}]`+"\nclient=["+alice+","+
		rotatingClient("bob", `changed=2026-08-03, rotating="`+secretA+`"`)+","+rotatingClient("carol", `changed=2026-01-31, rotating="`+secretB+`"`)+"]")
	now := time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC) // 90 days after the second of August
	var got []string
	for _, o := range c.Overdue(now) {
		got = append(got, o.String())
	}
	want := []string{
		`the sequence of door "old" is from 2026-08-02 and was to be changed by 2026-10-31: sallyport door rotate old`,
		`nobody knows how old the sequence of door "unknown" is, and rotation_due is set: sallyport door rotate unknown, or set changed`,
		`the rotating secret of client "carol" is from 2026-01-31 and was to be changed by 2026-05-01: sallyport client rotate carol`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if c.Gate.RotationDue = 0; len(c.Overdue(now)) != 0 {
		t.Error("overdue without a limit")
	}
}

// FuzzOneTime: whatever the file holds, a sequence that is taken has a length
// and a place, and none is taken twice.
func FuzzOneTime(f *testing.F) {
	f.Add("tcp/9 udp/3\n# x\n\ttcp/9 udp/4 tcp/1 # y")
	f.Add("tcp/9 udp/3\ntcp/9  udp/3")
	f.Add("\x00\xff")
	f.Fuzz(func(t *testing.T, content string) {
		c, err := Load(oneTime(content, 0o600), main)
		if err != nil {
			return
		}
		seen := make(map[string]bool)
		for _, o := range c.Doors[0].OneTime {
			if len(o.Knocks) < minKnocks || len(o.Knocks) > maxKnocks || o.Place.Line == 0 || seen[spell(o.Knocks)] {
				t.Fatalf("%q: %+v", content, o)
			}
			seen[spell(o.Knocks)] = true
		}
	})
}
