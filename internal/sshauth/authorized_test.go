package sshauth

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	keyA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
	keyB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP/+/fz7+vn49/b19PPy8fDv7u3s6+rp6Ofm5eTj4uHg"
)

// east is two hours ahead of UTC.
var east = time.FixedZone("east", 2*60*60)

func parse(text string) ([]Entry, []LineError) { return ParseAuthorizedKeys([]byte(text), east) }

func TestLinesThatAreRefused(t *testing.T) {
	cases := []struct{ line, want string }{
		{`door="ssh" ` + keyA + ` a`, `option "door" is unknown`},
		{`doors="ssh",pti ` + keyA + ` a`, `option "pti" is unknown`},
		{`doors="ssh",command ` + keyA + ` a`, `option "command" is unknown, or is not written`},
		{`doors="ssh",pty="yes" ` + keyA + ` a`, `option "pty" is unknown, or is not written`},
		{`doors=ssh ` + keyA + ` a`, `option "doors": the value must be in quotes`},
		{`doors ` + keyA + ` a`, `option "doors" needs a value`},
		{`doors="" ` + keyA + ` a`, `option "doors" is ""`},
		{`doors="ssh,,db" ` + keyA + ` a`, `option "doors" is "ssh,,db"`},
		{`doors="ssh, db" ` + keyA + ` a`, `option "doors" is "ssh, db"`},
		{`doors="ssh,db,ssh" ` + keyA + ` a`, `names the door "ssh" twice`},
		{`doors="ssh",doors="db" ` + keyA + ` a`, `option "doors" is there twice`},
		{`doors="ssh,db ` + keyA + ` a`, `no closing quote`},
		{`doors="ssh"x ` + keyA + ` a`, `want a comma or a blank`},
		{`doors="ssh",,single ` + keyA + ` a`, `an option is empty`},
		{`doors="ssh", single ` + keyA + ` a`, `an option is empty`},
		{`doors="ssh",single="yes" ` + keyA + ` a`, `option "single" has no value`},
		{`single ` + keyA + ` a`, `option "single" is there without doors`},
		{`max-open="1h" ` + keyA + ` a`, `option "max-open" is there without doors`},
		{`doors="ssh",max-open="1" ` + keyA + ` a`, `option "max-open" is "1"`},
		{`doors="ssh",max-open="-1h" ` + keyA + ` a`, `want a duration of 1s to 24h`},
		{`doors="ssh",max-open="25h" ` + keyA + ` a`, `want a duration of 1s to 24h`},
		{`doors="ssh",cert-authority ` + keyA + ` a`, `"cert-authority" is not possible`},
		{`doors="ssh",verify-required ` + keyA + ` a`, `"verify-required" cannot be enforced`},
		{`doors="ssh",from="*" ` + keyA + ` a`, `wildcards are not accepted`},
		{`doors="ssh",from="192.0.2.?" ` + keyA + ` a`, `wildcards are not accepted`},
		{`doors="ssh",from="home.example.com" ` + keyA + ` a`, `host names are not accepted`},
		{`doors="ssh",from="192.0.2.1/24" ` + keyA + ` a`, `want 192.0.2.0/24`},
		{`doors="ssh",from="010.1.1.1" ` + keyA + ` a`, `want an address or a prefix`},
		{`doors="ssh",from="192.0.2.1/33" ` + keyA + ` a`, `want an address or a prefix`},
		{`doors="ssh",from="fe80::1%eth0" ` + keyA + ` a`, `no source has such an address`},
		{`doors="ssh",from="::ffff:192.0.2.0/120" ` + keyA + ` a`, `no source has such an address`},
		{`doors="ssh",from="" ` + keyA + ` a`, `has the pattern ""`},
		{`doors="ssh",from="!192.0.2.1" ` + keyA + ` a`, `only excludes`},
		{`doors="ssh",expiry-time="2030-01-01" ` + keyA + ` a`, `want YYYYMMDD`},
		{`doors="ssh",expiry-time="20301301" ` + keyA + ` a`, `want YYYYMMDD`},
		{`doors="ssh",expiry-time="20300229" ` + keyA + ` a`, `want YYYYMMDD`},
		{`doors="ssh",expiry-time="203001011" ` + keyA + ` a`, `want YYYYMMDD`},
		{`doors="ssh",expiry-time="20300101z" ` + keyA + ` a`, `want YYYYMMDD`},
		{`doors="ssh"`, `the key is missing`},
		{`doors="ssh" ssh-ed25519`, `the key is missing`},
		{`doors="ssh" ` + keyA, `the client has no name`},
		{`doors="ssh" ` + keyA + ` -a`, `"-a" cannot be the name`},
		{`doors="ssh" ` + keyA + " a\x1b[2J", `cannot be the name`},
		{`doors="ssh" ` + keyA + ` ` + strings.Repeat("a", 65), `cannot be the name`},
		{`doors="ssh" ` + keyA[:43] + ` a`, `not whole base64`},
		{`doors="ssh" ` + keyA[:44] + ` a`, `the key is broken`},
		{`doors="ssh" ssh-rsa ` + strings.Fields(keyA)[1] + ` a`, `says "ssh-rsa" but holds a key of type ssh-ed25519`},
		{`doors="ssh" ssh-new AAAAB3NzaC1uZXc= a`, `type "ssh-new" are not accepted`},
		{`doors="ssh" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA a`, `without a private key`},
		{`doors="ssh" ` + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newRSA(t, 1024).PublicKey()))) + ` a`, `1024 bits`},
		{`doors="ssh" ` + keyA + ` ` + strings.Repeat("a", maxLine), `want at most 16384`},
		{"a line of prose", `option "a" is unknown`},
	}
	for _, c := range cases {
		entries, errs := parse("# the line after this\n" + c.line + "\n")
		if len(entries) != 0 || len(errs) != 1 || errs[0].Line != 2 || !strings.Contains(errs[0].Error(), c.want) {
			t.Errorf("%.100s\n got %d entries and %v\nwant an error for line 2 that says %q", c.line, len(entries), errs, c.want)
		}
	}
}

func TestTwoLinesOfOneClientAreRefused(t *testing.T) {
	cases := []struct{ name, first, second, want string }{
		{"same name", keyA + " alice", keyB + " alice", `line 2: client "alice" is already defined in line 1`},
		{"same key", keyA + " alice", keyA + " bob", `line 2: client "alice" has the same key in line 1`},
	}
	for _, c := range cases {
		_, errs := parse(`doors="ssh" ` + c.first + "\n" + `doors="db" ` + c.second)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) {
			t.Errorf("%s: %v", c.name, errs)
		}
	}
}

func TestLinesOfSSHDAreIgnored(t *testing.T) {
	for _, line := range []string{
		"", "   ", "# comment", "\t# comment",
		keyA + " alice", keyA,
		`restrict,command="echo \"doors=\"" ` + keyA + " alice",
		`from="*.example.com",expiry-time="tomorrow" ` + keyA + " alice",
		`cert-authority,principals="a,b" ` + keyA + " ca",
		"ssh-dss AAAAB3NzaC1kc3M= old",
		"ssh-of-tomorrow@openssh.com AAAAB3NzaC1kc3M= new",
	} {
		if entries, errs := parse(line); len(entries)+len(errs) != 0 {
			t.Errorf("%s: %d entries, %v", line, len(entries), errs)
		}
	}
}

func TestEntries(t *testing.T) {
	const file = `# Sallyport
doors="ssh" ` + keyA + ` alice@laptop her old one
  doors="db,ssh",SINGLE,max-open="90m",expiry-time="20300102T",no-pty ` + keyB + ` bad

	restrict,doors="db,ssh",single,command="say \"hi, you\"",max-open="90m",expiry-time="203001020304",from="192.0.2.0/24,2001:db8::1" ` + keyB + " bob\r\n"
	entries, errs := parse(file)
	if len(errs) != 1 || errs[0].Line != 3 {
		t.Fatal(errs)
	}
	if len(entries) != 2 {
		t.Fatalf("%d entries", len(entries))
	}
	a, b := entries[0], entries[1]
	if a.Name != "alice@laptop" || a.Line != 2 || !slices.Equal(a.Doors, []string{"ssh"}) || a.Single || a.MaxOpen != 0 || !a.Expires.IsZero() {
		t.Errorf("alice: %+v", a)
	}
	if !a.From.Allows(netip.MustParseAddr("203.0.113.1")) {
		t.Error("alice may knock from anywhere")
	}
	want := time.Date(2030, 1, 2, 1, 4, 0, 0, time.UTC)
	if b.Name != "bob" || b.Line != 5 || !slices.Equal(b.Doors, []string{"db", "ssh"}) || !b.Single || b.MaxOpen != 90*time.Minute || !b.Expires.Equal(want) {
		t.Errorf("bob: %+v", b)
	}
	if got := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(b.Key))); got != keyB {
		t.Errorf("bob's key: %s", got)
	}
}

func TestExpiry(t *testing.T) {
	for value, want := range map[string]time.Time{
		"20300102":        time.Date(2030, 1, 2, 0, 0, 0, 0, east),
		"20300102Z":       time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC),
		"203001020304":    time.Date(2030, 1, 2, 3, 4, 0, 0, east),
		"20300102030405Z": time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
	} {
		if got, err := parseExpiry(value, east); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v: want %v", value, got, err, want)
		}
	}
}

func TestFrom(t *testing.T) {
	const list = "192.0.2.0/24,!192.0.2.7,!192.0.2.128/25,2001:db8::/32,198.51.100.9"
	from, err := parseFrom(list)
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]bool{
		"192.0.3.1": false, "192.0.2.7": false, "192.0.2.200": false, "198.51.100.8": false, "::1": false,
		"192.0.2.1": true, "198.51.100.9": true, "2001:db8:1::5": true, "::ffff:192.0.2.1": true,
	} {
		if got := from.Allows(netip.MustParseAddr(source)); got != want {
			t.Errorf("%s: %v", source, got)
		}
	}
	if from.Allows(netip.Addr{}) {
		t.Error("no address at all is allowed")
	}
}

func TestHostileFiles(t *testing.T) {
	if _, errs := parse(strings.Repeat("x\n", maxFile)); len(errs) != 1 || errs[0].Line != 0 {
		t.Errorf("a file too long: %v", errs)
	}
	_, errs := parse(strings.Repeat("x\n", maxFile/2))
	if len(errs) != maxErrors+1 || !strings.Contains(errs[maxErrors].Error(), "too many errors") {
		t.Errorf("a file of bad lines: %d errors", len(errs))
	}
}

func FuzzAuthorizedKeys(f *testing.F) {
	f.Add(`doors="ssh",from="192.0.2.0/24,!192.0.2.7",expiry-time="20300102Z",max-open="1h",single ` + keyA + " a")
	f.Add(`restrict,command="a \"b\"",doors="a,b" ` + keyB + " b\n# c\n" + keyA)
	f.Add(`doors="\"`)
	f.Fuzz(func(t *testing.T, text string) {
		entries, errs := parse(text)
		for _, e := range entries {
			if e.Name == "" || len(e.Doors) == 0 || e.Key == nil || e.Line < 1 {
				t.Fatalf("entry %+v", e)
			}
			line := fmt.Sprintf("doors=%q %s %s", strings.Join(e.Doors, ","), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(e.Key))), e.Name)
			if strings.ContainsAny(line, "\\\n") {
				continue // a door's name that is none; anyone who knows the doors refuses it
			}
			again, errs := parse(line)
			if len(errs) != 0 || len(again) != 1 || again[0].Name != e.Name || !slices.Equal(again[0].Doors, e.Doors) {
				t.Fatalf("%s\n%v", line, errs)
			}
		}
		for _, e := range errs {
			if strings.ContainsFunc(e.Error(), func(c rune) bool { return c < ' ' || c == 0x7f }) {
				t.Fatalf("an error that is not fit to print: %q", e.Error())
			}
		}
	})
}

func BenchmarkParseAuthorizedKeys(b *testing.B) {
	var file strings.Builder
	for i := range 1000 {
		key := newEd25519(b).PublicKey()
		fmt.Fprintf(&file, "doors=\"ssh\" %s client%d\n", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if entries, errs := parse(file.String()); len(entries) != 1000 || len(errs) != 0 {
			b.Fatal(errs)
		}
	}
}

// What a list of addresses writes, it reads again.
func TestFromIsWrittenAsItIsRead(t *testing.T) {
	for _, list := range []string{"192.0.2.0/24", "2001:db8::/32,192.0.2.7/32,!192.0.2.9/32"} {
		from, err := parseFrom(list)
		if err != nil || from.String() != list {
			t.Errorf("%q is written %q, %v", list, from, err)
		}
	}
	if text := (From{}).String(); text != "" {
		t.Errorf("anywhere is written %q", text)
	}
}
