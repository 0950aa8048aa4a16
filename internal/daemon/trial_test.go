//go:build linux

package daemon

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/config"
)

// A configuration can be made again from the copy, whatever has become of its
// files.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "sallyport.toml")
	for name, text := range map[string]string{
		main:                                "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nsequences_file = \"" + dir + "/once\"\n",
		filepath.Join(dir, "once"):          "tcp/7000 udp/8000\n",
		filepath.Join(dir, "conf.d/b.toml"): "[[door]]\nname = \"web\"\nports = [\"tcp/443\"]\n",
		filepath.Join(dir, "conf.d/a.toml"): "[[door]]\nname = \"db\"\nports = [\"tcp/5432\"]\nsequence = [\"tcp/7001\", \"udp/8001\"]\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, files, err := loadConfig(main)
	if err != nil {
		t.Fatal(err)
	}
	_, again, err := loadConfig(main)
	if err != nil || again.digest() != files.digest() {
		t.Errorf("the same files, another digest: %v", err)
	}
	text, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "conf.d/a.toml")); err != nil {
		t.Fatal(err)
	}
	if _, changed, err := loadConfig(main); err != nil || changed.digest() == files.digest() {
		t.Errorf("other files, the same digest: %v", err)
	}
	var kept snapshot
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	second, err := kept.remake(main)
	if err != nil {
		t.Fatal(err)
	}
	if changes := config.Compare(first, second); len(changes) != 0 || len(second.Doors) != 3 || second.Doors[1].Name != "db" || len(second.Doors[0].OneTime) != 1 {
		t.Errorf("made again: %+v, different in %+v", second.Doors, changes)
	}
	if kept.digest() != files.digest() {
		t.Error("another digest after it was on disk")
	}
	delete(kept, filepath.Join(dir, "once")[1:])
	if cfg, err := kept.remake(main); err == nil {
		t.Errorf("made of a copy with a file missing: %+v", cfg)
	}
}

func TestRecordOfATrial(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if r, err := readRecord(dir); r != nil || err != nil || r.pending() {
		t.Errorf("%+v %v", r, err)
	}
	r := &record{Path: "/etc/s.toml", Good: snapshot{"etc/s.toml": {Mode: 0o600, Data: []byte("x")}}, Tried: "abc", Boot: bootID(), Deadline: boottime() + time.Hour, Until: time.Now().Round(0)}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := readRecord(dir)
	if err != nil || !got.pending() || got.left() < time.Hour-time.Minute || got.left() > time.Hour {
		t.Fatalf("%+v %v", got, err)
	}
	if diff := cmp.Diff(r, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(recordPath(dir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: it holds secrets", info, err)
	}
	got.Boot = "another"
	if got.left() != 0 {
		t.Error("a trial outlives the machine")
	}
	got.Ended = time.Now()
	if got.pending() {
		t.Error("pending though it has ended")
	}
	for _, text := range []string{"", "{", "[]", `{"good": 7}`} {
		if err := os.WriteFile(recordPath(dir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := readRecord(dir); err == nil {
			t.Errorf("%q is read as %+v", text, r)
		}
	}
	// What cannot be written says so, and leaves what there was.
	if err := (&record{}).write("/proc/none"); err == nil {
		t.Error("written into /proc")
	}
}
