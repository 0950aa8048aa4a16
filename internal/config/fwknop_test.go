package config

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// Keys of fwknop in tests are test vectors.
func fwknopClient(name, table string) string {
	return fmt.Sprintf(`{name=%q, doors=["ssh"], fwknop=%s}`, name, table)
}

func TestFwknopClients(t *testing.T) {
	c := loaded(t, "sallyport.toml", "spa={fwknop_port=62201, clock_skew='10s'}\n"+clients(
		fwknopClient("a", `{key="a test vector", hmac="another one"}`),
		fwknopClient("b", `{key_base64="YSB0ZXN0IHZlY3Rvcg==", hmac_base64="b3RoZXIgdGhhbiB0aGF0", mode="ctr", digest="sha3_512"}`)))
	for _, client := range c.Clients {
		if client.Fwknop == nil || !c.SPA.Knocks(&client) {
			t.Errorf("%s: %+v", client.Name, client)
		}
		if s := fmt.Sprintf("%v %+v %#v", client, client, client.Fwknop); strings.Contains(s, "test vector") {
			t.Errorf("printed: %s", s)
		}
	}
	if w := c.SPA.Window(); w != 2*time.Minute {
		t.Errorf("the window is %s", w)
	}
	if w := (SPA{Port: 1, ClockSkew: time.Minute}).Window(); w != time.Minute {
		t.Errorf("without fwknop the window is %s", w)
	}
	if w := (SPA{FwknopPort: 1, ClockSkew: 10 * time.Minute}).Window(); w != 10*time.Minute {
		t.Errorf("with a greater clock_skew the window is %s", w)
	}
}

func TestFwknopRefuses(t *testing.T) {
	var crowd []string
	for i := range 17 {
		crowd = append(crowd, fwknopClient(fmt.Sprint("c", i), fmt.Sprintf(`{key="a test vector", hmac="number %d of many"}`, i)))
	}
	const ok = `{key="a test vector", hmac="another one"}`
	for _, c := range []struct{ toml, want string }{
		{clients(fwknopClient("a", `"x"`)), `fwknop: want a table such as { key = "…", hmac = "…" }`},
		{clients(fwknopClient("a", `{key="a test vector"}`)), "fwknop: hmac is missing: want hmac or hmac_base64, as the client has it"},
		{clients(fwknopClient("a", `{key="a test vector", key_base64="YQ==", hmac="another one"}`)), "fwknop: want key or key_base64, not both"},
		{clients(fwknopClient("a", `{key="short", hmac="another one"}`)), "fwknop: key has 5 bytes: want 8 to 128"},
		{clients(fwknopClient("a", `{key=1, hmac="another one"}`)), "fwknop: key: want a text in quotes"},
		{clients(fwknopClient("a", `{key="a test vector", hmac_base64="hunter2!"}`)), "fwknop: hmac_base64 is not base64"},
		{clients(fwknopClient("a", `{key="the same one", hmac="the same one"}`)), "fwknop: key and hmac are the same"},
		{clients(fwknopClient("a", `{key="a test vector", hmac="another one", mode="legacy"}`)), `mode = "legacy": want "cbc" or "ecb" or "cfb" or "ofb" or "ctr"`},
		{clients(fwknopClient("a", `{key="a test vector", hmac="another one", digest="crc32"}`)), `fwknop: digest "crc32" is not known`},
		{clients(fwknopClient("a", `{key="a test vector", hmac="another one", gpg="x"}`)), `unknown key "gpg"`},
		{clients(fwknopClient("a", ok), fwknopClient("b", ok)), `fwknop: client "a" has the same hmac at`},
		{clients(crowd...), `client "c16": fwknop: more than 16 such clients`},
		{"spa={port=5000, fwknop_port=5000}", "fwknop_port is the same as port"},
		{"gate={policy='all', public=['udp/62201']}\nspa={fwknop_port=62201}", "port 62201 is public"},
		{"spa={fwknop_port=53}\n" + doors(`{name="dns", ports=["udp/53"]}`), "ports: udp/53 is a port of [spa]"},
		{"spa={fwknop_port=8000}\n" + doors(`{name="ssh", ports=["tcp/22"], sequence=["tcp/9","udp/8000","tcp/5"]}`), "sequence: udp/8000 is a port of [spa]"},
	} {
		_, err := Load(fstest.MapFS{"etc/sallyport/sallyport.toml": {Data: []byte(c.toml), Mode: 0o600}}, main)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.toml, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "test vector") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: the error repeats a secret: %v", c.toml, err)
		}
	}
}

func TestFwknopKeysArePrivate(t *testing.T) {
	text := clients(fwknopClient("a", `{key="a test vector", hmac="another one"}`))
	for mode, refused := range map[fs.FileMode]bool{0o640: false, 0o644: true} {
		_, err := Load(fstest.MapFS{"etc/sallyport/sallyport.toml": {Data: []byte(text), Mode: mode}}, main)
		if got := err != nil && strings.Contains(err.Error(), "chmod o-rwx"); got != refused {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

// However the table is written, its keys are not shown; nor are other secrets in
// tables that stand on one line.
func TestHideFwknop(t *testing.T) {
	for _, text := range []string{
		"[[client]]\nname = \"a\"\nfwknop = { key = \"SECRET\", hmac = \"SECRET\" }\n",
		"[[client]]\nname = \"a\"\nfwknop.key = \"SECRET\"\nfwknop.hmac_base64 = \"SECRET\"\n",
		"[[client]]\nname = \"a\"\n[client.fwknop]\nkey = \"SECRET\"\nhmac = \"SECRET\"\n[gate]\npolicy = \"all\"\n",
		"client = [{ name = \"a\", fwknop = { key = \"SECRET\" } }]\n",
		"client = [{ name = \"a\", rotating = \"SECRET\" }]\n",
	} {
		if shown := string(Hide([]byte(text))); strings.Contains(shown, "SECRET") || strings.Contains(text, "all") && !strings.Contains(shown, "all") {
			t.Errorf("shown:\n%s", shown)
		}
	}
}
