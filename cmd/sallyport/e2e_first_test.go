//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// From nothing to a door that opens for one client, as the README says.
func TestFromNothing(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "ssh-keygen")
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	home := t.TempDir()
	w.env = append(w.env, "XDG_CONFIG_HOME="+home, "HOME="+home, "SSH_AUTH_SOCK=")
	etc := filepath.Join(w.dir, "etc")
	identity := filepath.Join(home, "id")

	out := w.must(w.Gate, "init", "--dir", etc, "--state", filepath.Join(w.dir, "var"), "--socket", w.socket, "--with-sequence")
	if !strings.Contains(out, "Nothing is closed yet") {
		t.Errorf("init says %q", out)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.config = filepath.Join(etc, "sallyport.toml")
	before, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	if _, errs, status := w.run(w.Gate, "init", "--dir", etc, "--state", filepath.Join(w.dir, "var")); status != 1 || !strings.Contains(errs, "there already") {
		t.Errorf("a second init: status %d, %q", status, errs)
	}
	if after, _ := os.ReadFile(w.config); string(after) != string(before) {
		t.Error("a second init changed the configuration")
	}
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if problems := w.status().Problems; len(problems) != 0 {
		t.Errorf("problems after init: %q", problems)
	}

	w.must(w.Client, "keygen", "-f", identity, "--no-passphrase")
	w.must(w.Gate, "client", "add", "alice", "--key", identity+".pub", "--door", "ssh", "-c", w.config)
	if out := w.must(w.Gate, "client", "list", "-c", w.config); !strings.Contains(out, "alice") || !strings.Contains(out, "ssh-ed25519 SHA256:") {
		t.Errorf("client list says %q", out)
	}
	profile := filepath.Join(home, "alice.profile")
	if err := os.WriteFile(profile, []byte(w.must(w.Gate, "client", "profile", "alice", "--host", w.Client.Gate4.String(), "-c", w.config)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(w.Client, "add", profile)
	name := w.Client.Gate4.String()
	if out := w.must(w.Client, "list"); !strings.Contains(out, name) {
		t.Errorf("list says %q", out)
	}
	knock := []string{"knock", name, "-i", identity}
	if out := w.must(w.Client, knock...); !strings.Contains(out, `door "ssh" is open`) {
		t.Errorf("knock says %q", out)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	w.must(w.Client, "close", name, "-i", identity)
	w.closed(w.Client, "tcp", at(w.Client, 22))

	w.must(w.Gate, "server-key", "rotate", "--keep", "1h", "-c", w.config)
	w.must(w.Client, knock...) // the old profile still serves
	if out := w.must(w.Gate, "server-key", "show", "-c", w.config); !strings.Contains(out, "previous") || strings.Contains(out, "private") {
		t.Errorf("server-key show says %q", out)
	}
	w.must(w.Gate, "client", "remove", "alice", "-c", w.config)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if _, errs, status := w.run(w.Client, append(knock, "--timeout", "1s")...); status != 1 || !strings.Contains(errs, "hint:") {
		t.Errorf("knock of a removed client: status %d, %q", status, errs)
	}
}

func TestClientCommandsRefuse(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "ssh-keygen")
	w := newWorld(t, lab.Options{})
	w.configure(sshDoor)
	key := filepath.Join(w.dir, "id")
	w.env = append(w.env, "HOME="+w.dir)
	w.must(w.Gate, "keygen", "-f", key, "--no-passphrase")
	before, _ := filepath.Glob(filepath.Join(w.dir, "conf.d", "*"))
	for _, c := range []struct {
		args string
		want string
	}{
		{"client add ../x --key " + key + ".pub --door ssh", "client name"},
		{"client add Alice --key " + key + ".pub --door ssh", "client name"},
		{"client add alice --key " + key + ".pub --door nosuch", "no door"},
		{"client add alice --key " + key + " --door ssh", "private key"},
		{"client add alice --key /dev/null --door ssh", "key"},
		{"client add alice --key " + key + ".pub", "--door"},
		{"client add alice --key " + key + ".pub --door ssh --from 10.1.2.3/8", "from"},
		{"client add alice --key " + key + ".pub --door ssh --expires never", "expires"},
		{"client add alice --key " + key + ".missing --door ssh", "no such file"},
		{"client remove bob", "no client"},
		{"client profile bob --host gate", "no client"},
		{"server-key rotate", "server key"},
		{"server-key show", "server key"},
	} {
		_, errs, status := w.run(w.Gate, append(strings.Fields(c.args), "-c", w.config)...)
		if status == 0 || !strings.Contains(errs, c.want) || !strings.HasPrefix(errs, "sallyport: ") {
			t.Errorf("sallyport %s: status %d, %q; want %q", c.args, status, errs, c.want)
		}
	}
	if after, _ := filepath.Glob(filepath.Join(w.dir, "conf.d", "*")); len(after) != len(before) {
		t.Errorf("left behind: %v", after)
	}
}
