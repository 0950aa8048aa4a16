package fwknop

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sallyport/internal/lab/labtest"
)

// The client as a peer writes its packet to a file and sends it to nobody.
func packetOf(t *testing.T, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "packet")
	all := append([]string{"--no-home-dir", "--no-rc-file", "--test", "-E", file + ".args", "-D", "127.0.0.1", "-a", "198.51.100.7", "--use-hmac", "-B", file}, args...)
	cmd := exec.CommandContext(t.Context(), "fwknop", all...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("fwknop %q: %v\n%s", args, err, out)
	}
	payload, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(payload, []byte("\n"))
}

func TestRealClient(t *testing.T) {
	labtest.Need(t, "peers", "fwknop")
	const passphrase, mac = "a test passphrase", "another one, longer" // test vectors
	keys := []string{"--key-rijndael", passphrase, "--key-hmac", mac, "-A", "tcp/22,udp/53"}
	for _, mode := range Modes() {
		for _, digest := range Digests() {
			k, err := NewKey([]byte(passphrase), []byte(mac), mode, digest)
			if err != nil {
				t.Fatal(err)
			}
			before := time.Now().Add(-time.Second)
			m, err := k.Open(packetOf(t, append([]string{"-M", string(mode), "--hmac-digest-type", digest, "-m", digest}, keys...)...))
			if err != nil {
				t.Errorf("%s, %s: %v", mode, digest, err)
				continue
			}
			if len(m.Ports) != 2 || m.Source.String() != "198.51.100.7" || m.Time.Before(before.Truncate(time.Second)) {
				t.Errorf("%s, %s: %+v", mode, digest, m)
			}
		}
	}
}

func TestRealClientAsksForWhatIsNotTaken(t *testing.T) {
	labtest.Need(t, "peers", "fwknop")
	const passphrase, mac = "a test passphrase", "another one, longer" // test vectors
	k, err := NewKey([]byte(passphrase), []byte(mac), CBC, DefaultDigest)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"address translation":       {"-A", "tcp/22", "-N", "192.168.10.3:22"},
		"local address translation": {"-A", "tcp/22", "--nat-local", "-N", "192.0.2.10:22"},
		"a command":                 {"-C", "/bin/true"},
	} {
		payload := packetOf(t, append([]string{"--key-rijndael", passphrase, "--key-hmac", mac}, args...)...)
		if _, err := k.Open(payload); !errors.Is(err, ErrNotTaken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
