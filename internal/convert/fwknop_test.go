package convert

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/internal/fwknop"
)

func TestFwknop(t *testing.T) {
	for _, c := range []struct {
		name, text string
		doors      string
		says       []string
	}{
		{"the usual stanza", "SOURCE ANY\nKEY_BASE64 c2VjcmV0MQ==\nHMAC_KEY_BASE64 c2VjcmV0Mg==\nOPEN_PORTS tcp/22\n",
			"ssh [tcp/22] 30s: [] in 10s",
			[]string{"The client cannot go on with its fwknop: key has 7 bytes: want 8 to 128", "sallyport client add client-1 --key client-1.pub --door ssh --max-open 30s"}},
		{"no HMAC", "SOURCE ANY\nKEY hunter2-hunter2\nOPEN_PORTS tcp/22\n", "ssh [tcp/22] 30s: [] in 10s", []string{"it has no HMAC_KEY", "port = 62201", "nor repeated here"}},
		{"NAT", "SOURCE ANY\nKEY hunter2-hunter2\nHMAC_KEY hunter2-another\nFORCE_NAT 10.0.0.5 22\nOPEN_PORTS tcp/22\n", "ssh [tcp/22] 30s: [] in 10s", []string{"FORCE_NAT cannot be done here"}},
		{"never set", "SOURCE ANY\nKEY __CHANGEME__\nHMAC_KEY hunter2-another\nOPEN_PORTS tcp/22\n", "ssh [tcp/22] 30s: [] in 10s", []string{"KEY was never set"}},
		{"an unknown hash", "SOURCE ANY\nKEY hunter2-hunter2\nHMAC_KEY hunter2-another\nHMAC_DIGEST_TYPE hunter2\nOPEN_PORTS tcp/22\n", "ssh [tcp/22] 30s: [] in 10s", []string{"HMAC_DIGEST_TYPE is none of md5"}},
		{"unread restrictions", "SOURCE office.example.org\nKEY hunter2-hunter2\nHMAC_KEY hunter2-another\nOPEN_PORTS tcp/22\n", "ssh [tcp/22] 30s: [] in 10s", []string{"its restrictions cannot be read"}},
		{"two people", "SOURCE 192.168.10.0/24, 10.1.1.123\nREQUIRE_USERNAME alice\nOPEN_PORTS tcp/22, udp/1194\nFW_ACCESS_TIMEOUT 60\nREQUIRE_SOURCE_ADDRESS Y\nACCESS_EXPIRE 12/31/2027\n\nSOURCE: ANY;\nREQUIRE_USERNAME: Bob;\nOPEN_PORTS: tcp/22, tcp/8443;\nREQUIRE_SOURCE_ADDRESS: Y;\nMAX_FW_TIMEOUT 300\n",
			"ssh [tcp/22] 1m0s: [] in 10s\nopenvpn [udp/1194] 1m0s: [] in 10s\ntcp-8443 [tcp/8443] 30s: [] in 10s",
			[]string{"require_bound = true", "client add alice --key alice.pub --door ssh --door openvpn --from 192.168.10.0/24 --from 10.1.1.123/32 --max-open 1m --expires 2027-12-31",
				"client add bob --key bob.pub --door ssh --door tcp-8443 --max-open 5m"}},
		{"any port", "SOURCE ANY\nRESTRICT_PORTS tcp/25\n", "", []string{"Without OPEN_PORTS", "--door NAME"}},
		{"what has no counterpart", "%include /etc/x\nSOURCE 10.0.0.0/8,nowhere,0.0.0.0/0\nOPEN_PORTS tcp/22,icmp/0,tcp/x\nGPG_DECRYPT_PW hunter2\nGPG_HOME_DIR /root/.gnupg\nENABLE_CMD_EXEC Y\nFORCE_NAT 10.0.0.5 22\nENCRYPTION_MODE CBC\nDESTINATION 1.2.3.4\nACCESS_EXPIRE soon\nACCESS_EXPIRE_EPOCH 1830297600\nHUNTER3\n",
			"ssh [tcp/22] 30s: [] in 10s",
			[]string{"GnuPG is not used", "cannot carry commands", "never translates addresses", "files are not followed", `"icmp"`, "--expires 2028-01-01T00:00:00Z", `"nowhere" is not an address`, "The option in line 12 is not known"}},
		{"commands", "SOURCE ANY\nOPEN_PORTS tcp/22\nCMD_CYCLE_OPEN sudo ipset add allowed $IP && /usr/bin/tell $IP $PORT\nCMD_CYCLE_CLOSE NONE\nCMD_CYCLE_TIMER 20\n",
			"ssh [tcp/22] 20s: [] in 10s", []string{"CMD_CYCLE_OPEN changes the firewall: the doors do that", `command = ["/usr/bin/tell", "$IP", "$PORT"]`}},
		{"times out of bounds", "SOURCE ANY\nOPEN_PORTS tcp/22\nFW_ACCESS_TIMEOUT 0\n\nSOURCE ANY\nOPEN_PORTS tcp/23\nFW_ACCESS_TIMEOUT 99999999999\n",
			"ssh [tcp/22] 30s: [] in 10s\ntelnet [tcp/23] 24h0m0s: [] in 10s", []string{"FW_ACCESS_TIMEOUT is 30s here in place of 0s", "FW_ACCESS_TIMEOUT is 24h here"}},
		{"restrictions as people write them", "SOURCE 203.0.113.0/255.255.255.0\nOPEN_PORTS tcp/22\nREQUIRE_SOURCE_ADDRESS Yes\nACCESS_EXPIRE 1/5/2030\nFW_ACCESS_TIMEOUT 0\nMAX_FW_TIMEOUT 0\n",
			"ssh [tcp/22] 30s: [] in 10s",
			[]string{"require_bound = true", "client add client-1 --key client-1.pub --door ssh --from 203.0.113.0/24 --max-open 5m --expires 2030-01-05"}},
		{"restrictions that cannot be read", "SOURCE office.example.org\nOPEN_PORTS tcp/22\nREQUIRE_SOURCE_ADDRESS Y\nACCESS_EXPIRE 2030-01-05\n\nSOURCE 10.0.0.0/255.0.255.0, 192.0.2.7\nOPEN_PORTS tcp/22\n",
			"ssh [tcp/22] 30s: [] in 10s",
			[]string{"when you have filled in what stands here as …: # sallyport client add client-1 --key client-1.pub --door ssh --from … --max-open 30s --expires …",
				"client add client-2 --key client-2.pub --door ssh --from 192.0.2.7/32 --max-open 30s", "remove the sign.", "Some stanzas had REQUIRE_SOURCE_ADDRESS"}},
	} {
		r, err := Fwknop(c.text, nil)
		if got := doors(loaded(t, r, err)); got != c.doors {
			t.Errorf("%s:\n got %s\nwant %s\n%s", c.name, got, c.doors, r.Text)
		}
		for _, s := range c.says {
			if !strings.Contains(flat(r.Text), s) {
				t.Errorf("%s: does not say %q:\n%s", c.name, s, r.Text)
			}
		}
		for _, secret := range []string{"c2Vjcm", "hunter2", "HUNTER3"} {
			if strings.Contains(r.Text, secret) {
				t.Errorf("%s: repeats a secret:\n%s", c.name, r.Text)
			}
		}
	}
}

// Clients with an HMAC go on with the keys that they have.
func TestFwknopClientsGoOn(t *testing.T) {
	const stanza = "SOURCE 192.0.2.0/24\nREQUIRE_USERNAME Alice\nOPEN_PORTS tcp/22,udp/1194\nFW_ACCESS_TIMEOUT 60\nACCESS_EXPIRE 12/31/2199\nKEY a test \"vector\\\nHMAC_KEY_BASE64 b3RoZXIgdGhhbiB0aGF0\nHMAC_DIGEST_TYPE SHA512\nENCRYPTION_MODE CTR\n"
	r, err := Fwknop(stanza+"SOURCE ANY\nOPEN_PORTS tcp/22\nKEY a test vector\nHMAC_KEY other than that\n", nil)
	cfg := loaded(t, r, err)
	if len(cfg.Clients) != 1 || cfg.SPA.FwknopPort != 62201 || cfg.SPA.Port != 0 || !strings.Contains(flat(r.Text), "an earlier stanza has the same HMAC_KEY") {
		t.Fatalf("%+v\n%s", cfg.Clients, r.Text)
	}
	want, err := fwknop.NewKey([]byte("a test \"vector\\"), []byte("other than that"), fwknop.CTR, "sha512")
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Clients[0]
	if c.Name != "alice" || !reflect.DeepEqual(c.Fwknop, want) || strings.Join(c.Doors, " ") != "ssh openvpn" || c.MaxOpen != time.Minute || c.Expires.Year() != 2199 || c.From.Allows(netip.MustParseAddr("198.51.100.1")) || !c.From.Allows(netip.MustParseAddr("192.0.2.1")) {
		t.Errorf("%+v", c)
	}
	var many strings.Builder
	for i := range 17 {
		fmt.Fprintf(&many, "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY a test vector\nHMAC_KEY another one %d\n", i)
	}
	r, err = Fwknop(many.String(), nil)
	if cfg := loaded(t, r, err); len(cfg.Clients) != 16 || !strings.Contains(flat(r.Text), "which is the most") {
		t.Errorf("%d clients", len(cfg.Clients))
	}
}

func TestFwknopRefuses(t *testing.T) {
	for _, text := range []string{"", "# only comments\n", "OPEN_PORTS tcp/22\n", "SOURCE\x00", strings.Repeat("SOURCE ANY\n", maxSections+1)} {
		if r, err := Fwknop(text, nil); err == nil {
			t.Errorf("%.20q: accepted as\n%s", text, r.Text)
		}
	}
}

// A client's file has the keys, but not what they open.
func TestFwknopOfAClient(t *testing.T) {
	if _, err := Fwknop("[gate]\nSPA_SERVER gate.example.org\nACCESS tcp/22\nKEY_BASE64 c2VjcmV0\n", nil); err == nil || !strings.Contains(err.Error(), "want the access.conf of the server") {
		t.Error(err)
	}
}

func FuzzFwknop(f *testing.F) {
	f.Add("SOURCE ANY\nOPEN_PORTS tcp/22\nKEY x\n")
	f.Add("SOURCE: 10.0.0.0/8, ::/0;\nREQUIRE_USERNAME \"a\nOPEN_PORTS tcp/1-9,udp/ssh\nACCESS_EXPIRE_EPOCH 8589934591\nCMD_CYCLE_OPEN a;b\n")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := Fwknop(text, nil); err == nil {
			loaded(t, r, err)
		} else if strings.Contains(err.Error(), "becomes what is refused") {
			t.Error(err)
		}
	})
}
