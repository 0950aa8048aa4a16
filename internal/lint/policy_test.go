package lint

import (
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
)

// skKey is the public key of a security key that does not exist, as a line.
func skKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	blob := ssh.Marshal(struct{ Type, Key, App string }{ssh.KeyAlgoSKED25519, string(public), "ssh:"})
	return ssh.KeyAlgoSKED25519 + " " + base64.StdEncoding.EncodeToString(blob)
}

func demands(t *testing.T, text string) *config.Requirements {
	t.Helper()
	r, err := config.LoadRequirements(fstest.MapFS{"policy.toml": {Data: []byte(text), Mode: 0o644}}, "/policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestHold(t *testing.T) {
	fido := "[[client]]\nname = \"alice\"\ndoors = [\"ssh\"]\nkey = \"" + skKey(t) + "\"\n"
	hours := "hours = [\"Mon-Fri 08:00-18:00\"]\n"
	rotating := "[[client]]\nname = \"bob\"\ndoors = [\"ssh\"]\nrotating = \"" + strings.Repeat("MFRGG2LT", 4) + "\"\n"
	for _, c := range []struct {
		rule, policy, bad, good string
	}{
		{"policy-ways", `ways = ["spa"]`, sshDoor + random, spaPort + sshDoor + alice},
		{"policy-ways", `ways = ["static"]`, spaPort + sshDoor + alice, sshDoor + random},
		{"policy-ways", `ways = ["spa"]`, sshDoor + rotating, sshDoor + alice},
		{"policy-ways", `ways = ["spa"]`, "[spa]\nport = 40321\nstun = true\n" + sshDoor + alice + "stun = true\n", "[spa]\nport = 40321\nstun = true\n" + sshDoor + alice},
		{"policy-grant", `longest_grant = "1m"`, sshDoor + "open_for = \"61s\"\n", sshDoor + "open_for = \"60s\"\n"},
		{"policy-grant", `longest_grant = "1m"`, spaPort + sshDoor + alice + "max_open = \"2m\"\n", spaPort + sshDoor + alice},
		{"policy-bits", "least_bits = 64", sshDoor + "sequence = [\"tcp/7000\", \"tcp/8000\", \"tcp/9000\"]\n", sshDoor + random},
		{"policy-bits", "least_bits = 90", sshDoor + rotating, "[rotating]\nknocks = 7\n" + sshDoor + rotating},
		{"policy-age", `oldest_secret = "90d"`, sshDoor + random + "changed = 2026-05-01\n", sshDoor + random + "changed = 2026-10-01\n"},
		{"policy-age", `oldest_secret = "90d"`, sshDoor + random, sshDoor},
		{"policy-expiry", `longest_expiry = "365d"`, spaPort + sshDoor + alice, spaPort + sshDoor + alice + "expires = 2027-10-01\n"},
		{"policy-expiry", `longest_expiry = "365d"`, spaPort + sshDoor + alice + "expires = 2027-12-01\n", sshDoor},
		{"policy-hours", "require_hours = true", sshDoor + random, sshDoor + random + hours},
		{"policy-hours", "require_hours = true", spaPort + sshDoor + alice, spaPort + sshDoor + alice + hours},
		{"policy-bound", "require_bound = true", spaPort + sshDoor, spaPort + "require_bound = true\n" + sshDoor},
		{"policy-bound", "require_bound = true", spaPort + sshDoor, sshDoor},
		{"policy-security-key", `security_keys = ["alice"]`, spaPort + sshDoor + alice, spaPort + sshDoor + fido},
		{"policy-security-key", `security_keys = ["ssh"]`, spaPort + sshDoor + random + fido, spaPort + sshDoor + fido},
		{"policy-security-key", `security_keys = ["*"]`, spaPort + sshDoor + rotating, spaPort + sshDoor + fido},
		{"policy-security-key", `security_keys = ["alcie"]`, spaPort + sshDoor + fido, ""},
		{"policy-journal", `shortest_journal = "180d"`, sshDoor, sshDoor + "[journal]\nkeep = \"180d\"\n"},
		{"policy-journal", `longest_journal = "30d"`, sshDoor, sshDoor + "[journal]\nkeep = \"30d\"\n"},
	} {
		want := demands(t, c.policy+"\n")
		bad := Hold(load(t, Example{Config: c.bad}), want, today)
		if len(bad) != 1 || bad[0].Rule != c.rule || bad[0].Text == "" || bad[0].Remedy == "" || bad[0].Place.File == "" {
			t.Errorf("%s, %s: %v", c.policy, c.bad, bad)
		}
		if c.good == "" {
			continue
		}
		if good := Hold(load(t, Example{Config: c.good}), want, today); len(good) != 0 {
			t.Errorf("%s, %s: %v", c.policy, c.good, good)
		}
	}
}

// Whatever is demanded is also written down.
func TestPolicyIsWrittenDown(t *testing.T) {
	page, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{"ways", "grant", "bits", "age", "expiry", "hours", "bound", "security-key", "journal"} {
		if !strings.Contains(string(page), "`policy-"+rule+"`") {
			t.Errorf("%s does not name policy-%s", pageFile, rule)
		}
	}
}

func TestNoDemandsNoBreaches(t *testing.T) {
	for _, r := range Rules() {
		if got := Hold(load(t, r.Bad), demands(t, "# nothing\n"), today); len(got) != 0 {
			t.Errorf("%s: %v", r.Name, got)
		}
	}
}
