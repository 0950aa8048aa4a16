package geo

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// made writes a database with a few networks.
func made(t *testing.T, networks map[string]string) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-Country", IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, code := range networks {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(n, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}); err != nil {
			t.Fatal(err)
		}
	}
	var data bytes.Buffer
	if _, err := tree.WriteTo(&data); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "country.mmdb")
	if err := os.WriteFile(path, data.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCountry(t *testing.T) {
	d, err := Open(made(t, map[string]string{"192.0.2.0/24": "NL", "2001:db8::/32": "BR", "198.51.100.0/24": "\x1b[2J"}))
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]string{"192.0.2.1": "NL", "::ffff:192.0.2.1": "NL", "2001:db8::1": "BR", "203.0.113.1": "", "198.51.100.1": ""} {
		if got := d.Country(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %q, want %q", a, got, want)
		}
	}
}

func TestBrokenDatabases(t *testing.T) {
	whole := made(t, map[string]string{"192.0.2.0/24": "NL"})
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"empty": nil, "half": data[:len(data)/2], "text": []byte("GeoIP"), "no tree": data[len(data)/2:]} {
		path := filepath.Join(t.TempDir(), "broken.mmdb")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, path := range []string{"/nonexistent", t.TempDir(), "/dev/zero"} {
		if _, err := Open(path); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}
