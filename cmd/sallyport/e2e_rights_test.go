//go:build linux && !client_only

package main

import (
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab/labtest"
)

// The daemon needs no root, only two capabilities, and says so without them.
func TestRightsOfTheDaemon(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "setpriv")
	if !labtest.MayBecome(65534) {
		t.Skip("only root can become someone else")
	}
	w := newGuarded(t, sshDoor)
	w.kill()
	if err := os.Remove(w.socket); err != nil { // nobody else may judge what root has left
		t.Fatal(err)
	}
	for _, dir := range []string{w.dir, filepath.Dir(w.dir)} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(w.config, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	self := filepath.Join(w.dir, "sallyport")
	if err := copyFile(self, "/proc/self/exe"); err != nil {
		t.Fatal(err)
	}
	as := func(capabilities string) []string {
		return []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
			"--inh-caps=" + capabilities, "--ambient-caps=" + capabilities, "--bounding-set=" + capabilities, self, "serve", "-c", w.config}
	}
	for capabilities, missing := range map[string]string{"-all": "CAP_NET_ADMIN", "-all,+net_admin": "CAP_NET_RAW"} {
		args := as(capabilities)
		cmd := w.Gate.Command(t.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), actAsCommand+"=1")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), missing) {
			t.Errorf("with %s: %v, %s; want an error that names %s", capabilities, err, out, missing)
		}
		w.closed(w.Client, "tcp", at(w.Client, 22))
	}
	w.command = as("-all,+net_admin,+net_raw")
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.ends(w.Client, "tcp", at(w.Client, 22))
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, in)
	return err
}

// A message that cannot be recorded opens nothing; sequences do not need the
// disk; and when there is room again, messages work again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	w.kill()
	state := filepath.Join(w.dir, "state")
	text, err := os.ReadFile(filepath.Join(state, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	small := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(small, unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(small, "server.key"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.config, []byte(strings.Replace(string(config), state, small, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	fill := filepath.Join(small, "fill")
	f, err := os.Create(fill)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	f.Close()

	w.start()
	w.send(w.Client, w.Client.Gate4, w.seal(w.alice, netip.Addr{}, nil).Datagram)
	w.eventually("the message is refused", func() bool {
		refusals := w.status().Refusals
		return refusals["no-record"]+refusals["stale"] >= 1
	})
	w.closed(w.Client, "tcp", at(w.Client, 22))
	if problems := strings.Join(w.status().Problems, "\n"); !strings.Contains(problems, "replay store") {
		t.Errorf("a store that cannot be written is not told: %q", problems)
	}
	w.kill()
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	w.start()
}
