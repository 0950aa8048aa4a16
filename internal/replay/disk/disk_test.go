package disk

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/replay"
)

const window = time.Minute

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func message(n byte) replay.Message {
	return replay.Message{R: [8]byte{n}, Stamped: now, Source: netip.MustParseAddr("192.0.2.1")}
}

func open(t testing.TB, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func record(s *replay.Store, g *replay.Guard, m replay.Message) error {
	r, v := g.Admit(m, now)
	if v != replay.Fresh {
		return errors.New(v.String())
	}
	return s.Append(r)
}

const victim = "SALLYPORT_REPLAY_VICTIM"

// A process that is killed the instant after Append returned has recorded.
func TestKilledBetweenRecordAndOpen(t *testing.T) {
	if path := os.Getenv(victim); path != "" {
		s, g, _ := replay.Open(open(t, path), "boot", window, now)
		if err := record(s, g, message(1)); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	path := filepath.Join(t.TempDir(), "replay")
	if err := replay.Create(open(t, path)); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestKilledBetweenRecordAndOpen$")
	child.Env = append(os.Environ(), victim+"="+path)
	if err := child.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended with %v: want killed", err)
	}
	s, g, notices := replay.Open(open(t, path), "boot", window, now)
	if len(notices) != 0 {
		t.Fatal(notices)
	}
	if err := record(s, g, message(1)); err == nil || err.Error() != "repeated" {
		t.Errorf("the message is %v: want repeated", err)
	}
	if err := record(s, g, message(2)); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheOwnerMayRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replay")
	if err := replay.Create(open(t, path)); err != nil {
		t.Fatal(err)
	}
	s, g, _ := replay.Open(open(t, path), "boot", window, now)
	if err := record(s, g, message(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(path, func(name string, _ fs.DirEntry, _ error) error {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 || strings.HasSuffix(name, suffix) {
			t.Errorf("%s has mode %#o", name, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDirectoryThatOthersMayWriteIsRefused(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "written by others") {
		t.Errorf("error %v", err)
	}
	if _, err := Open(filepath.Join(path, "no", "parent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestReplaceIsAllOrNothing(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	if err := d.Replace("a", []byte("old text")); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteAt("a", []byte("OLD"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(path, "a"+suffix), 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "a"+suffix, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Replace("a", []byte("new")); err == nil {
		t.Fatal("replaced")
	}
	if got, err := d.Read("a"); err != nil || string(got) != "OLD text" {
		t.Fatalf("%q, %v", got, err)
	}
	if err := os.RemoveAll(filepath.Join(path, "a"+suffix)); err != nil {
		t.Fatal(err)
	}
	if err := d.Replace("a", []byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteAt("a", []byte("N"), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Read("a"); err != nil || string(got) != "New" {
		t.Fatalf("%q, %v", got, err)
	}
	if err := errors.Join(d.Sync(), d.Remove("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
}

// What a message costs before its door opens.
func BenchmarkRecord(b *testing.B) {
	s, g, _ := replay.Open(open(b, filepath.Join(b.TempDir(), "replay")), "boot", window, now)
	b.ReportAllocs()
	n, at := uint64(0), now.Add(2*window)
	for b.Loop() {
		n++
		at = at.Add(time.Millisecond)
		m := replay.Message{
			Client: [6]byte{byte(n), byte(n >> 8)}, Stamped: at, Source: netip.MustParseAddr("192.0.2.1"),
			R: [8]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)},
		}
		r, v := g.Admit(m, at)
		if v != replay.Fresh {
			b.Fatal(v)
		}
		if err := s.Append(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "replay")
	s, g, _ := replay.Open(open(b, path), "boot", window, now)
	at := now.Add(2 * window)
	for n := range 500_000 {
		m := replay.Message{
			Client: [6]byte{byte(n), byte(n >> 8), byte(n >> 16)}, R: [8]byte{byte(n), byte(n >> 8), byte(n >> 16)},
			Stamped: at, Source: netip.MustParseAddr("192.0.2.1"),
		}
		r, v := g.Admit(m, at)
		if v != replay.Fresh {
			b.Fatal(v)
		}
		if err := s.Append(r); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, g, _ := replay.Open(open(b, path), "boot", window, at); g.Len() != 500_000 {
			b.Fatal(g.Len())
		}
	}
}
