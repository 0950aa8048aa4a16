package keyfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sallyport/internal/key"
)

func TestCreateLoadSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "server.key")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	ring, err := Create(path, key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	read, err := Load(path)
	if err != nil || !read.Current().Public().Equal(ring.Current().Public()) {
		t.Fatalf("what was read is not what was made: %v", err)
	}
	before, _ := os.ReadFile(path)
	if _, err := Create(path, key.X25519); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a key was made over another: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file changed")
	}
	next, err := key.Generate(key.Hybrid)
	if err != nil {
		t.Fatal(err)
	}
	if err := Save(path, ring.Rotate(next, time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	read, err = Load(path)
	if held := read.All(); err != nil || len(held) != 2 || !held[0].Current.Public().Equal(next.Public()) || !held[1].Current.Public().Equal(ring.Current().Public()) {
		t.Errorf("after the rotation: %v", err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
	}{"readable by others": {"", 0o604}, "readable by the group": {"", 0o640}, "nonsense": {"hello", 0o600}, "empty": {"", 0o600}, "huge": {string(make([]byte, maxSize+1)), 0o600}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	if _, err := Load(dir); err == nil {
		t.Error("a folder was loaded")
	}
}
