//go:build linux && !client_only

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// A configuration that cannot be read when the machine starts opens no door: the
// last good one is in force, and if its copy is gone too, nobody has a way in.
func TestBrokenConfigurationAfterReboot(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, sshDoor)
	good, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(w.dir, "state")
	reboot := func() {
		t.Helper()
		w.must(w.Gate, "down", "-c", w.config) // which forgets nothing
		w.wait()
		w.open(w.Client, "tcp", at(w.Client, 22))
		if err := os.WriteFile(w.config, []byte("[[door]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reboot()
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if text := strings.Join(w.status().Problems, "\n"); !strings.Contains(text, "the last good one") {
		t.Errorf("status: %s", text)
	}
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.ends(w.Client, "tcp", at(w.Client, 22))

	if err := os.WriteFile(filepath.Join(state, "in-force.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	reboot()
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if text := strings.Join(w.status().Problems, "\n"); !strings.Contains(text, "nobody but trusted") {
		t.Errorf("status: %s", text)
	}

	if err := os.WriteFile(w.config, good, 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(w.Gate, "reload", "-c", w.config)
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	if list := w.status().Problems; len(list) != 0 {
		t.Errorf("mended: %q", list)
	}
}

// A daemon that root starts by hand leaves nothing that the daemon's own user
// cannot use.
func TestServeByRoot(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "setpriv")
	const someone = 65534
	if !labtest.MayBecome(someone) {
		t.Skip("only root can become someone else")
	}
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	w.configure(sshDoor + "[spa]\nport = 40000\n")
	for _, dir := range []string{w.dir, filepath.Dir(w.dir)} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(w.dir, "state")
	self := filepath.Join(w.dir, "sallyport")
	for _, err := range []error{os.Mkdir(state, 0o700), os.Chown(state, someone, someone), os.Chown(w.config, 0, someone), os.Chmod(w.config, 0o640), copyFile(self, "/proc/self/exe")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.command = []string{self, "serve", "-c", w.config}
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.stop()
	n := 0
	err := filepath.WalkDir(state, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != someone {
			t.Errorf("%s belongs to %d", path, s.Uid)
		}
		n++
		return nil
	})
	if err != nil || n < 6 {
		t.Fatalf("%d files, %v", n, err)
	}
	rights := "-all,+net_admin,+net_raw"
	w.command = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
		"--inh-caps=" + rights, "--ambient-caps=" + rights, "--bounding-set=" + rights, self, "serve", "-c", w.config}
	w.start()
	if list := w.status().Problems; len(list) != 0 {
		t.Errorf("problems of the daemon's own user: %q", list)
	}
	w.stop()

	// What another user has left is named with its remedy, before it fails and after.
	if err := os.Chown(filepath.Join(state, "spent", "spent"), 0, 0); err != nil {
		t.Fatal(err)
	}
	out, _, status := w.run(w.Gate, "check", "-c", w.config)
	if want := "chown -R nobody: " + state; status != 1 || !strings.Contains(out, want) {
		t.Errorf("check: status %d, want %q in\n%s", status, want, out)
	}
	w.start()
	if text := strings.Join(w.status().Problems, "\n"); !strings.Contains(text, "chown -R nobody: "+state) {
		t.Errorf("status: %s", text)
	}
	w.stop()

	// What would keep the daemon from starting is found by check.
	if err := os.WriteFile(filepath.Join(state, "server.key"), []byte("garbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, status := w.run(w.Gate, "check", "-c", w.config); status != 1 || !strings.Contains(out, "server.key") {
		t.Errorf("check: status %d\n%s", status, out)
	}
}
