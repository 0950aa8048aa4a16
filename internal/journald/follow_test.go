//go:build linux

package journald

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab/labtest"
)

const journalRemote = "/lib/systemd/systemd-journal-remote"

// writer is systemd's own, which writes what it is given into a journal's file.
type writer struct {
	t    *testing.T
	path string
	in   io.WriteCloser
	cmd  *exec.Cmd
}

func newWriter(t *testing.T, path, compact string) *writer {
	t.Helper()
	labtest.Need(t, "peers", journalRemote)
	w := &writer{t: t, path: path, cmd: exec.Command(journalRemote, "-o", path, "-")}
	w.cmd.Env = append(os.Environ(), "SYSTEMD_JOURNAL_COMPACT="+compact)
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.end)
	return w
}

// write has an entry written.
func (w *writer) write(uid, identifier, message string) {
	w.t.Helper()
	_, err := fmt.Fprintf(w.in, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=1000000\n_BOOT_ID=%032d\n_UID=%s\n_HOSTNAME=gate\nSYSLOG_IDENTIFIER=%s\n_PID=77\nMESSAGE=%s\n\n",
		time.Now().UnixMicro(), 1, uid, identifier, message)
	if err != nil {
		w.t.Fatal(err)
	}
}

// written waits until the file counts so many entries.
func (w *writer) written(n uint64) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if f, err := os.Open(w.path); err == nil {
			got, _ := (&file{in: f}).number(entryCount)
			f.Close()
			if got >= n {
				return
			}
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s never has %d entries", w.path, n)
		}
	}
}

func (w *writer) end() {
	w.in.Close()
	_ = w.cmd.Wait()
}

// reader follows a file, as often as a test says.
type reader struct {
	*follower
	got []string
}

func newReader(t *testing.T, path string) *reader {
	r := new(reader)
	where := func() (string, error) { _, err := os.Stat(path); return path, err }
	r.follower = &follower{where: where, put: func(e Entry) { r.got = append(r.got, e.UID+" "+e.Identifier+" "+e.Message) }}
	t.Cleanup(r.close)
	return r
}

func (r *reader) reads(t *testing.T, want ...string) {
	t.Helper()
	r.got = nil
	if err := r.advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.got, want) {
		t.Fatalf("read %q, want %q", r.got, want)
	}
}

// A journal that systemd writes is read while it grows, and goes on in the next
// file; in both forms that its files have.
func TestFollow(t *testing.T) {
	for _, compact := range []string{"0", "1"} {
		t.Run("compact="+compact, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "system.journal")
			r := newReader(t, path)
			if err := r.advance(t.Context()); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			w := newWriter(t, path, compact)
			w.write("0", "sshd", "before it was followed")
			w.written(1)
			r.reads(t)
			w.write("0", "sshd", "one")
			w.write("1000", "x=y", "two = three")
			w.written(3)
			r.reads(t, "0 sshd one", "1000 x=y two = three")
			r.reads(t)
			var many []string
			for n := range 300 { // in several arrays of entries
				w.write("0", "sshd", fmt.Sprint("entry ", n))
				many = append(many, fmt.Sprint("0 sshd entry ", n))
			}
			w.written(303)
			r.reads(t, many...)
			w.write("0", "sshd", strings.Repeat("x", 5000)) // compressed, or too long
			w.write("0", "sshd", "the last in this file")
			w.written(305)
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			next := newWriter(t, path, compact)
			next.write("0", "sshd", "the first in the next")
			next.written(1)
			r.reads(t, "0 sshd ", "0 sshd the last in this file", "0 sshd the first in the next")
		})
	}
}

// broken is a file some bytes of which are others.
type broken struct {
	io.ReaderAt
	at  int64
	new []byte
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.ReaderAt.ReadAt(p, off)
	for i, c := range b.new {
		if at := b.at + int64(i) - off; at >= 0 && at < int64(n) {
			p[at] = c
		}
	}
	return n, err
}

// A broken file is an error or other entries, but no panic and no endless loop.
func TestBrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.journal")
	w := newWriter(t, path, "1")
	for n := range 20 {
		w.write("0", "sshd", fmt.Sprint("entry ", n))
	}
	w.end()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first, err := (&file{in: f}).number(firstArray)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		b := broken{f, r.Int64N(int64(first) + 8192), make([]byte, 1+r.IntN(8))}
		for i := range b.new {
			b.new[i] = byte(r.IntN(256) >> r.IntN(8))
		}
		j := &file{in: b, compact: r.IntN(2) == 0}
		for range 100 {
			if more, err := j.next(func(field []byte) { _ = string(field) }); err != nil || !more {
				break
			}
		}
	}
	for _, text := range []string{"", "LPKSHHRH", "no journal, whatever else it is" + strings.Repeat(" ", 500)} {
		name := filepath.Join(t.TempDir(), "y.journal")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := newReader(t, name).advance(t.Context()); err == nil {
			t.Errorf("%q is taken for a journal", text)
		}
	}
}
