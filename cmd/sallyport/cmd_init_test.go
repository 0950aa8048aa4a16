//go:build linux && !client_only

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/replay"
	"sallyport/internal/replay/disk"
)

// initIn runs sallyport init for a folder.
func initIn(t *testing.T, dir string, more ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	args := append([]string{"init", "--dir", filepath.Join(dir, "etc"), "--state", filepath.Join(dir, "var"), "--socket", filepath.Join(dir, "sock")}, more...)
	status = run(t.Context(), args, stdio{strings.NewReader(""), &out, &errs})
	return out.String(), errs.String(), status
}

func TestInit(t *testing.T) {
	dir := t.TempDir()
	out, errs, status := initIn(t, dir, "--with-sequence", "--door", "ssh=tcp/22", "--door", "vpn=udp/51820", "--suite", "x25519")
	if status != exitDone {
		t.Fatalf("status %d, %q", status, errs)
	}
	path := filepath.Join(dir, "etc", "sallyport.toml")
	cfg, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyfile.Load(cfg.SPA.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{path, "vpn: udp/51820, with a sequence of 5 knocks", ring.Current().Public().Fingerprint(), "x25519", "Nothing is closed yet", "client add NAME --key FILE.pub --door ssh --host ", " -c " + path + " > NAME.profile"} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
	if len(cfg.Doors) != 2 || len(cfg.Doors[1].Sequence) != 5 || strings.Contains(out, cfg.Doors[1].Sequence[0].String()) {
		t.Errorf("doors %+v; said\n%s", cfg.Doors, out)
	}
	for name, want := range map[string]os.FileMode{"etc": 0o750, "etc/conf.d": 0o750, "etc/sallyport.toml": 0o640, "var": 0o700, "var/server.key": 0o600, "var/replay": 0o700} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	files, err := disk.Open(filepath.Join(dir, "var", "replay"))
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	if _, _, notices := replay.Open(files, "boot", time.Minute, time.Now()); len(notices) != 0 {
		t.Errorf("the first start would refuse: %v", notices)
	}
}

// What is there stays as it is, and what could not be finished leaves nothing.
func TestInitChangesNothing(t *testing.T) {
	for _, c := range []struct {
		name    string
		file    string // that is there already
		text    string
		args    []string
		want    string
		message int
	}{
		{"a configuration", "etc/sallyport.toml", "mine", nil, "there already", exitFailed},
		{"a server key that is none", "var/server.key", "mine", nil, "read server key", exitFailed},
		{"a broken snippet", "etc/conf.d/a.toml", "typo = 1\n", nil, "typo", exitFailed},
		{"a snippet with the same door", "etc/conf.d/a.toml", "[[door]]\nname = \"ssh\"\nports = [\"tcp/23\"]\n", nil, "ssh", exitFailed},
		{"a file for a folder", "etc", "mine", nil, "not a directory", exitFailed},
		{"a file for the state", "var", "mine", nil, "not a directory", exitFailed},
		{"a file for the replay store", "var/replay", "mine", nil, "replay store", exitFailed},
		{"a door without a name", "x", "", []string{"--door", "tcp/22"}, "--door", exitUsage},
		{"a door without a port", "x", "", []string{"--door", "ssh"}, "--door", exitUsage},
		{"a door with a bad port", "x", "", []string{"--door", "ssh=tcp/70000"}, "--door", exitUsage},
		{"a door that escapes", "x", "", []string{"--door", "a\"\n[x]=tcp/22"}, "name", exitFailed},
		{"two doors of a name", "x", "", []string{"--door", "a=tcp/22", "--door", "a=tcp/23"}, "already defined", exitFailed},
		{"two doors of a port", "x", "", []string{"--door", "a=tcp/22", "--door", "b=tcp/22"}, "tcp/22", exitFailed},
		{"an unknown suite", "x", "", []string{"--suite", "rot13"}, "rot13", exitUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := server{T: t, dir: t.TempDir()}
			s.write(c.file, c.text)
			before, folders := s.tree(), s.folders()
			_, errs, status := initIn(t, s.dir, c.args...)
			if status != c.message || !strings.Contains(errs, c.want) {
				t.Errorf("status %d, %q; want %d, %q", status, errs, c.message, c.want)
			}
			if after := s.tree(); !slices.Equal(before, after) {
				t.Errorf("changed files: %q", after)
			}
			if after := s.folders(); !slices.Equal(folders, after) {
				t.Errorf("left folders: %q", after)
			}
		})
	}
}

// asNobody runs f on a thread that has no rights: the user of the thread alone is another.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	aside(t, func() bool {
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, ^uintptr(0))
		return errno == 0 && os.Geteuid() == 65534
	}, f)
}

// asRefusedRoot runs f on a thread of root that has no rights in the file system.
func asRefusedRoot(t *testing.T, f func()) {
	t.Helper()
	aside(t, func() bool {
		unix.Setfsuid(65534)
		uid, _ := unix.SetfsuidRetUid(-1)
		return uid == 65534 && os.Geteuid() == 0
	}, f)
}

// aside runs f on a thread of its own once that has become another.
func aside(t *testing.T, become func() bool, f func()) {
	t.Helper()
	became := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if became = become(); became {
			f()
		}
	}()
	if <-done; !became {
		t.Skip("this user cannot become another")
	}
}

func TestWithoutTheRight(t *testing.T) {
	s := newServer(t, oneDoor)
	s.must(newEd25519(t), "client", "add", "alice", "--key", "-", "--door", "ssh")
	s.serverKey(key.Hybrid)
	bob := newEd25519(t)
	if err := os.Chmod(filepath.Dir(s.dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{s.dir, filepath.Join(s.dir, "conf.d")} {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{s.config, filepath.Join(s.dir, "conf.d", "client-alice.toml")} {
		if err := os.Chmod(p, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := s.tree()
	asNobody(t, func() {
		for _, args := range [][]string{
			{"client", "add", "bob", "--key", "-", "--door", "ssh"},
			{"client", "remove", "alice"},
			{"client", "profile", "alice", "--host", "gate"},
			{"server-key", "show"},
			{"server-key", "rotate"},
		} {
			if _, errs, status := s.sallyport(bob, args...); status != exitFailed || !strings.Contains(errs, "hint: run it as root") {
				t.Errorf("%q: status %d, %q", args, status, errs)
			}
		}
		if _, errs, status := initIn(t, filepath.Join(s.dir, "new")); status != exitFailed || !strings.Contains(errs, "hint: run it as root") {
			t.Errorf("init: status %d, %q", status, errs)
		}
	})
	if after := s.tree(); !slices.Equal(before, after) {
		t.Errorf("changed files: %q", after)
	}
}

// A place that cannot even be looked at.
func TestInitWhereNothingIsSeen(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for want, become := range map[string]func(*testing.T, func()){"run it as root (sudo)": asNobody, "root is refused, too": asRefusedRoot} {
		become(t, func() {
			if _, errs, status := initIn(t, dir); status != exitFailed || !strings.Contains(errs, "nothing was changed") || !strings.Contains(errs, "hint: "+want) {
				t.Errorf("status %d, %q; want %q", status, errs, want)
			}
		})
	}
}
