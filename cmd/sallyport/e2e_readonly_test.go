//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
)

// readOnly mounts a folder over itself, so that nothing in it can be written.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

// Where nothing can be written each command names the file, says what helps, and has
// changed nothing.
func TestReadOnlyFolders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	home, etc, state := filepath.Join(w.dir, "home"), filepath.Join(w.dir, "etc"), filepath.Join(w.dir, "state")
	w.env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "SSH_AUTH_SOCK=", "VISUAL=", "EDITOR=true"}
	w.config = filepath.Join(etc, "sallyport.toml")
	key, profile := filepath.Join(home, ".ssh", "id_ed25519"), filepath.Join(w.dir, "gate.profile")
	w.must(w.Gate, "keygen", "--no-passphrase", "--file", key)
	w.must(w.Gate, "init", "--dir", etc, "--state", state, "--socket", w.socket, "--door", "ssh=tcp/22", "--yes")
	w.must(w.Gate, "client", "add", "alice", "--key", key+".pub", "--door", "ssh", "-c", w.config)
	w.must(w.Gate, "client", "add", "bob", "--rotating", "--door", "ssh", "-c", w.config)
	if err := os.WriteFile(profile, []byte(w.must(w.Gate, "client", "profile", "alice", "--host", "192.0.2.1", "-c", w.config)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(w.Gate, "add", profile)
	before := everything(t, w.dir)
	for _, dir := range []string{home, etc, state} {
		readOnly(t, dir)
	}
	profiles, c := filepath.Join(home, ".config", "sallyport", "profiles"), " -c "+w.config
	for line, file := range map[string]string{
		"keygen --no-passphrase --file " + key + "2": key + "2",
		"add " + profile + " --as other":             profiles + "/other.profile",
		"remove gate":                                profiles + "/gate.profile",
		"client add carl --rotating --door ssh" + c:  etc + "/conf.d/client-carl.toml",
		"client rotate bob" + c:                      etc + "/conf.d/client-bob.toml",
		"client label bob x" + c:                     etc + "/conf.d/client-bob.toml",
		"client remove bob" + c:                      state + "/in-force.removed",
		"door add web=tcp/80" + c:                    etc + "/conf.d/door-web.toml",
		"config set door.ssh.open_for 40s" + c:       etc + "/sallyport.toml",
		"config edit" + c:                            etc,
		"server-key rotate" + c:                      state + "/server.key",
		"init --yes --door a=tcp/1 --dir " + etc + "/new --state " + w.dir + "/other":       etc + "/new",
		"init --yes --door a=tcp/1 --dir " + w.dir + "/other --state " + state + "/deep/er": state + "/deep",
		"guide --html " + etc + "/x.html" + c:                                               etc + "/x.html",
	} {
		_, errs, status := w.run(w.Gate, strings.Fields(line)...)
		text := strings.Join(strings.Fields(errs), " ")
		if status != exitFailed || !strings.Contains(text, file) || !strings.Contains(text, "read-only") || strings.Count(text, "hint: ") != 1 {
			t.Errorf("sallyport %s: status %d, want %s and what helps:\n%s", line, status, file, errs)
		}
		if after := everything(t, w.dir); after != before {
			t.Fatalf("sallyport %s has changed something:\n%s\nbefore:\n%s", line, after, before)
		}
	}
	// The daemon goes on without what it cannot write; check says so before it starts.
	out, _, status := w.run(w.Gate, "check", "-c", w.config)
	if text := strings.Join(strings.Fields(out), " "); status != exitFailed || !strings.Contains(text, state+": kept: ") || !strings.Contains(text, "mounted read-only") {
		t.Errorf("check: status %d\n%s", status, out)
	}
}

// everything lists the files of a folder, with what is in them.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		b.WriteString(path + "\n" + string(text) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
