//go:build linux

package convert

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab/labtest"
)

// stanzas are one each, as people write restrictions.
var stanzas = []string{
	"SOURCE ANY\nREQUIRE_SOURCE_ADDRESS Y\n",
	"SOURCE 203.0.113.0/24\nREQUIRE_SOURCE_ADDRESS Yes\n",
	"SOURCE 203.0.113.0/255.255.255.0\nREQUIRE_SOURCE_ADDRESS yup\n",
	"SOURCE 10.0.0.1, 192.168.0.0/16\nREQUIRE_SOURCE_ADDRESS N\n",
	"SOURCE 10.0.0.1\nREQUIRE_SOURCE_ADDRESS true\n",
	"SOURCE ANY\nFW_ACCESS_TIMEOUT 0\nACCESS_EXPIRE 1/5/2030\n",
	"SOURCE ANY\nFW_ACCESS_TIMEOUT 45\nACCESS_EXPIRE 12/31/2031\n",
	"SOURCE ANY\nMAX_FW_TIMEOUT 0\nACCESS_EXPIRE_EPOCH 1900000000\n",
	"SOURCE ANY\nMAX_FW_TIMEOUT 120\n",
}

// What fwknopd makes of a stanza, and what becomes of it here, are the same.
func TestBesideFwknopd(t *testing.T) {
	labtest.Need(t, "peers", "fwknopd")
	dir := t.TempDir()
	for _, text := range stanzas {
		text += "KEY not-a-secret-but-a-test\nOPEN_PORTS tcp/22\n"
		access, settings := filepath.Join(dir, "access.conf"), filepath.Join(dir, "fwknopd.conf")
		for file, content := range map[string]string{access: text, settings: ""} {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "fwknopd", "-D", "-a", access, "-c", settings)
		cmd.Env = append(os.Environ(), "TZ=UTC")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		r, err := Fwknop(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		theirs := func(key string) string {
			m := regexp.MustCompile(`(?m)^ *` + key + `(?: \(\d+\))?: +(.*)$`).FindSubmatch(out)
			if m == nil {
				t.Fatalf("fwknopd does not say %s:\n%s", key, out)
			}
			return string(m[1])
		}
		if got, want := r.Config.SPA.RequireBound, theirs("REQUIRE_SOURCE_ADDRESS") == "Yes"; got != want {
			t.Errorf("%q: require_bound %v, want %v", text, got, want)
		}
		if got, want := r.Config.Doors[0].OpenFor.String(), seconds(theirs("FW_ACCESS_TIMEOUT")).String(); got != want {
			t.Errorf("%q: open for %s, want %s", text, got, want)
		}
		if got, want := expires(r.Text), day(t, theirs("ACCESS_EXPIRE")); got != want {
			t.Errorf("%q: expires %q, want %q", text, got, want)
		}
		if strings.Contains(text, "MAX_FW") && !strings.Contains(r.Text, "--max-open "+strings.Trim(tomlDuration(seconds(theirs("MAX_FW_TIMEOUT"))), `"`)) {
			t.Errorf("%q: want at most %s s:\n%s", text, theirs("MAX_FW_TIMEOUT"), r.Text)
		}
		if got, want := strings.Contains(r.Text, "--from"), theirs("SOURCE") != "ANY"; got != want {
			t.Errorf("%q: restricted to sources: %v, want %v", text, got, want)
		}
	}
}

// expires is the date of the proposed command.
func expires(text string) string {
	if m := regexp.MustCompile(`--expires (\d{4}-\d\d-\d\d)`).FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// day reads the date that fwknopd writes.
func day(t *testing.T, text string) string {
	if text == "<not set>" {
		return ""
	}
	at, err := time.Parse(time.ANSIC, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.Format(time.DateOnly)
}

func TestNetmasks(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.0/255.255.255.0": "203.0.113.0/24", "10.1.2.3/255.0.0.0": "10.0.0.0/8", "10.1.2.3/255.255.255.255": "10.1.2.3/32", "10.0.0.0/0.0.0.0": "0.0.0.0/0",
		"10.0.0.0/255.0.255.0": "", "10.0.0.0/0.0.0.255": "", "10.0.0.0/255.255.255": "", "2001:db8::/255.0.0.0": "",
	} {
		p, err := readPrefix(text)
		got := ""
		if err == nil {
			got = p.String()
		}
		if got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}
