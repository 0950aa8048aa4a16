//go:build linux

package kept_test

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/enrolled"
	"sallyport/internal/enrolled/kept"
	"sallyport/internal/lab/labtest"
)

// room is a folder with one record.
func room(t *testing.T) (kept.Folder, string) {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	r := enrolled.Record{Name: "phone", Doors: []string{"ssh"}, Key: public, Made: now, Until: now.Add(time.Hour)}
	f := kept.Of(t.TempDir())
	if err := f.Write(r); err != nil {
		t.Fatal(err)
	}
	return f, filepath.Join(string(f), r.File())
}

// What others may have written enrols nobody, and is named.
func TestRecordsOfOthersAreLeftOut(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"writable for all":      func(path string) error { return os.Chmod(path, 0o602) },
		"writable for a group":  func(path string) error { return os.Chmod(path, 0o660) },
		"of another user":       func(path string) error { return os.Chown(path, 12345, -1) },
		"a link to a record":    func(path string) error { return link(path, os.Symlink) },
		"readable for all":      func(path string) error { return os.Chmod(path, 0o644) },
		"a folder open to all":  func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) },
		"nothing has been done": func(string) error { return nil },
	} {
		f, path := room(t)
		if err := change(path); os.IsPermission(err) {
			t.Logf("%s: %v", name, err)
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		list, bad, err := f.Read()
		want := 0
		if strings.HasPrefix(name, "readable") || strings.HasPrefix(name, "a folder") || strings.HasPrefix(name, "nothing") {
			want = 1
		}
		if err != nil || len(list) != want || len(bad) != 1-want {
			t.Errorf("%s: %d records, %q, %v", name, len(list), bad, err)
		}
	}
}

func link(path string, link func(old, now string) error) error {
	away := filepath.Join(filepath.Dir(filepath.Dir(path)), "away")
	if err := os.Rename(path, away); err != nil {
		return err
	}
	return link(away, path)
}

// Where there are more files than are looked at, that is said.
func TestFullFolderIsNamed(t *testing.T) {
	if !labtest.Long() {
		t.Skip("makes thousands of files")
	}
	f, path := room(t)
	for i := range 2 * enrolled.MaxRecords {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), fmt.Sprintf(".draft%d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, bad, err := f.Read(); err != nil || len(bad) != 1 || !strings.Contains(bad[0], "the rest is left out") {
		t.Errorf("%q, %v", bad, err)
	}
}
