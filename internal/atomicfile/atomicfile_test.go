package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// holds fails unless a folder holds one file, with that text.
func holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Errorf("the folder holds %v, %v", list, err)
	}
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := Create(path, []byte("old"), Options{}); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, []byte("new"), Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made over another: %v", err)
	}
	holds(t, path, "old")
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, text := range []string{"old", "", "new"} {
		if err := Replace(path, []byte(text), Options{Mode: 0o640}); err != nil {
			t.Fatal(err)
		}
		holds(t, path, text)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// What cannot be put in its place leaves the old file, and nothing else.
func TestFailureLeavesTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := Replace(path, []byte("old"), Options{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("changed meanwhile")
	if err := Replace(path, []byte("new"), Options{Check: func() error { return refused }}); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	holds(t, path, "old")
	folder := filepath.Join(t.TempDir(), "folder")
	if err := os.MkdirAll(filepath.Join(folder, "in it"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(folder, []byte("new"), Options{}); err == nil {
		t.Error("a folder was replaced")
	}
	if list, err := os.ReadDir(filepath.Dir(folder)); err != nil || len(list) != 1 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

// Of those who make the same file at a time one succeeds, and its text is whole.
func TestOneOfManyCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	var made [8]error
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() { made[i] = Create(path, []byte("text"), Options{}) })
	}
	wg.Wait()
	good := 0
	for _, err := range made {
		if err == nil {
			good++
		} else if !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
	}
	if good != 1 {
		t.Errorf("%d made it", good)
	}
	holds(t, path, "text")
}

// Where the file system knows no links, a place that is taken is refused as well.
func TestWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	draft, path := filepath.Join(t.TempDir(), "gone"), filepath.Join(dir, "a")
	if err := link(draft, path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("the place is still held: %v, %v", list, err)
	}
}
