//go:build linux

package convert

import (
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab/labtest"
)

// stanzas are one each, as people write them, without keys.
var stanzas = []string{
	"SOURCE ANY\nREQUIRE_SOURCE_ADDRESS Y\n",
	"SOURCE any\nREQUIRE_SOURCE Y\n",
	"SOURCE 203.0.113.0/24\nREQUIRE_SOURCE_ADDRESS Yes\n",
	"SOURCE 203.0.113.0/255.255.255.0\nREQUIRE_SOURCE_ADDRESS yup\n",
	"SOURCE 10.0.0.1, 192.168.0.0/16\nREQUIRE_SOURCE_ADDRESS N\n",
	"SOURCE 10.0.0.1\nREQUIRE_SOURCE_ADDRESS true\n",
	"SOURCE ANY\nFW_ACCESS_TIMEOUT 0\nACCESS_EXPIRE 1/5/2030\n",
	"SOURCE ANY\nFW_ACCESS_TIMEOUT 45\nACCESS_EXPIRE 12/31/2031\n",
	"SOURCE ANY\nFW_ACCESS_TIMEOUT 10\nFW_ACCESS_TIMEOUT 5m\nACCESS_EXPIRE 1/1/2030\nACCESS_EXPIRE 1/1/2040\n",
	"SOURCE ANY\nFW_ACCESS_TIMEOUT 20 # remark\n",
	"SOURCE ANY\nMAX_FW_TIMEOUT 0\nACCESS_EXPIRE_EPOCH 1900000000\n",
	"SOURCE ANY\nMAX_FW_TIMEOUT 120\n",
	"SOURCE ANY\nACCESS_EXPIRE 12/31/2031\nACCESS_EXPIRE_EPOCH 1900000000\n",
	"SOURCE ANY\nACCESS_EXPIRE_EPOCH 1900000000\nACCESS_EXPIRE 12/31/2031\n",
	"SOURCE ANY\nACCESS_EXPIRE 13/45/2030\n",
	"SOURCE ANY\nACCESS_EXPIRE 2030-01-01\n",
	"SOURCE ANY\nCMD_CYCLE_OPEN /bin/true $IP\nCMD_CYCLE_CLOSE NONE\nCMD_CYCLE_TIMER 33\n",
	"SOURCE ANY\nREQUIRE_USERNAME alice\nDESTINATION 10.0.0.1\n",
	"SOURCE ANY\nDESTINATION ANY\n",
	"SOURCE ANY\nRESTRICT_PORTS tcp/25\n",
	"SOURCE ANY\nRESTRICT_PORTS tcp/22\n",
	"SOURCE ANY\nRESTRICT_PORTS tcp/22, udp/53\nOPEN_PORTS tcp/22, tcp/80\n",
	"SOURCE ANY\nRESTRICT_PORTS tcp/ssh-ish\n",
	"SOURCE ANY\nOPEN_PORTS TCP/22, udp/53\n",
	"SOURCE ANY\nOPEN_PORTS tcp/22-25\n",
	"SOURCE ANY\nOPEN_PORTS tcp/22 tcp/23\n",
	"SOURCE ANY\nOPEN_PORTS icmp/0\n",
	"SOURCE ANY\nFORCE_NAT 10.0.0.5 22\n",
	"SOURCE ANY\nFORCE_MASQUERADE Y\n",
	"SOURCE ANY\nDISABLE_DNAT Y\n",
	"SOURCE ANY\nFORWARD_ALL Y\n",
	"SOURCE ANY\nFORWARD_ALL N\n",
	"SOURCE ANY\nENABLE_CMD_EXEC Y\nCMD_EXEC_USER nobody\n",
	"SOURCE ANY\nHMAC_DIGEST_TYPE sha512\nENCRYPTION_MODE ctr\n",
	"SOURCE ANY\nHMAC_DIGEST_TYPE MD5\nENCRYPTION_MODE legacy\n",
	"SOURCE ANY\nHMAC_DIGEST_TYPE sha3_256\n",
	"SOURCE ANY\nNONSENSE 1\n",
	"SOURCE 2001:db8::/32\n",
	"SOURCE 2001:db8::1, 192.0.2.1\n",
	"SOURCE 10.0.0.1/33\n",
	"SOURCE 10.0.0.0/255.0.255.0\n",
	"SOURCE office.example.org\n",
	"SOURCE ANY # remark\n",
	"SOURCE 192.0.2.1 192.0.2.2\n",
}

// What fwknopd makes of a stanza, and what becomes of it here, are the same; or
// what becomes of it lets in less.
func TestBesideFwknopd(t *testing.T) {
	labtest.Need(t, "peers", "fwknopd")
	for _, text := range stanzas {
		t.Run(strings.ReplaceAll(strings.TrimSpace(text), "\n", "; "), func(t *testing.T) {
			if !strings.Contains(text, "OPEN_PORTS") {
				text += "OPEN_PORTS tcp/22\n"
			}
			text += "KEY not a secret; but a test\nHMAC_KEY nor is this\n"
			s, runs := settings(t, text)
			r, err := Fwknop(text, nil)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case r.Clients == 1:
				compare(t, s, runs, r)
			case !strings.Contains(r.Text, "The client cannot go on with its fwknop: "):
				t.Errorf("no client, and no reason:\n%s", r.Text)
			}
			if runs {
				proposed(t, s, r)
			}
		})
	}
}

// settings are those that fwknopd prints; runs is false if it refuses the stanza.
func settings(t *testing.T, text string) (theirs map[string]string, runs bool) {
	t.Helper()
	dir := t.TempDir()
	access, daemon := filepath.Join(dir, "access.conf"), filepath.Join(dir, "fwknopd.conf")
	for file, content := range map[string]string{access: text, daemon: ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "fwknopd", "-D", "-a", access, "-c", daemon)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, false
	}
	theirs = make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^ *([A-Z_0-9]+)(?: \(\w+\))?: +(.*)$`).FindAllStringSubmatch(string(out), -1) {
		theirs[m[1]] = m[2]
	}
	return theirs, true
}

// compare looks at a client that goes on with its fwknop.
func compare(t *testing.T, theirs map[string]string, runs bool, r Result) {
	t.Helper()
	c := r.Config.Clients[0]
	if !runs { // fwknopd knows no IPv6 sources; here they restrict all the same
		if !strings.Contains(r.Text, "from") {
			t.Errorf("fwknopd refuses it, and here it lets someone in:\n%s", r.Text)
		}
		return
	}
	if got, want := c.From.Allows(netip.MustParseAddr("198.51.100.99")), isAny(theirs["SOURCE"]); got != want {
		t.Errorf("from anywhere: %v, want %v", got, want)
	}
	if got, want := c.Expires.Format(time.DateOnly), day(t, theirs["ACCESS_EXPIRE"]); got != want && !(want == "" && c.Expires.IsZero()) {
		t.Errorf("expires %s, want %s", got, want)
	}
	if theirs["DESTINATION"] != "<not set>" && !isAny(theirs["DESTINATION"]) || theirs["FORCE_MASQUERADE"] == "Yes" || theirs["FORWARD_ALL"] == "Yes" || theirs["DISABLE_DNAT"] == "Yes" {
		t.Errorf("it is restricted, or translates, and goes on without:\n%s", r.Text)
	}
	open, forbidden := theirs["OPEN_PORTS"], theirs["RESTRICT_PORTS"]
	for _, d := range r.Config.Doors {
		for _, p := range d.Ports {
			has := func(list string) bool {
				return strings.Contains(","+strings.ToLower(strings.ReplaceAll(list, " ", ""))+",", ","+p.String()+",")
			}
			if has(forbidden) || !has(open) && !strings.Contains(open, "-") {
				t.Errorf("%s opens; fwknopd opens %s but for %s", p, open, forbidden)
			}
		}
		if got, want := d.OpenFor.String(), seconds(theirs["FW_ACCESS_TIMEOUT"]).String(); got != want && theirs["CMD_CYCLE_OPEN"] == "<not set>" {
			t.Errorf("open for %s, want %s", got, want)
		}
	}
	if theirs["KEY_LEN"] != strconv.Itoa(len("not a secret")) || !strings.Contains(r.Text, base64.StdEncoding.EncodeToString([]byte("not a secret"))) {
		t.Errorf("a key of %s bytes has become another one", theirs["KEY_LEN"])
	}
	digest := map[string]string{"0": "sha256", "1": "md5", "2": "sha1", "3": "sha256", "4": "sha384", "5": "sha512", "6": "sha3_256", "7": "sha3_512"}[theirs["HMAC_DIGEST_TYPE"]]
	if !strings.Contains(r.Text, `digest = "`+digest+`"`) {
		t.Errorf("want %s:\n%s", digest, r.Text)
	}
}

// proposed looks at what holds for every client, and at the command for those
// that do not go on.
func proposed(t *testing.T, theirs map[string]string, r Result) {
	t.Helper()
	if got, want := r.Config.SPA.RequireBound, theirs["REQUIRE_SOURCE_ADDRESS"] == "Yes"; got != want {
		t.Errorf("require_bound %v, want %v", got, want)
	}
	if r.Clients > 0 {
		return
	}
	if got, want := strings.Contains(r.Text, "--from"), !isAny(theirs["SOURCE"]); got != want {
		t.Errorf("restricted to sources: %v, want %v\n%s", got, want, r.Text)
	}
	if got, want := strings.Contains(r.Text, "--expires"), theirs["ACCESS_EXPIRE"] != "<not set>"; got != want {
		t.Errorf("expires: %v, want %v\n%s", got, want, r.Text)
	}
}

// What the manual of fwknopd has in access.conf is known here.
func TestEveryOptionOfFwknopd(t *testing.T) {
	options := manual(t, "/usr/share/man/man8/fwknopd.8.gz", `(?s)\.SS "ACCESS\\&\.CONF VARIABLES"(.*?)\n\.SH`, `(?m)^\\fB(%?[A-Za-z_0-9]+)\\fR \\fI<`)
	for _, o := range options {
		if _, ok := known[strings.ToUpper(o)]; !ok {
			t.Errorf("%s is not known", o)
		}
	}
}

// What the manual of knockd has is known here.
func TestEveryOptionOfKnockd(t *testing.T) {
	for _, o := range manual(t, "/usr/share/man/man1/knockd.1.gz", `(?s)GLOBAL DIRECTIVES(.*?)SECURITY NOTES`, `(?m)^\.B "?(\w+)`) {
		r, err := Knockd(fmt.Sprintf("[options]\n%s = x\n[ssh]\nsequence = 5000,4000\n%s%s = x\n", o, opens22, o), counting(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(r.Text, "is not known"); n != 1 { // it is either for all or for a section
			t.Errorf("%s: said to be unknown %d times:\n%s", o, n, r.Text)
		}
	}
}

// manual returns what a manual page, if it is here, marks as options.
func manual(t *testing.T, path, section, option string) (list []string) {
	t.Helper()
	labtest.Need(t, "peers", "fwknopd", "knockd")
	f, err := os.Open(path)
	if err != nil {
		t.Skip("this system has no manual pages: ", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(option).FindAllSubmatch(regexp.MustCompile(section).Find(text), -1) {
		list = append(list, string(m[1]))
	}
	if len(list) < 10 {
		t.Fatalf("%s: only %q", path, list)
	}
	return list
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
