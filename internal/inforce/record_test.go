package inforce

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
	first, files, err := read(main)
	if err != nil {
		t.Fatal(err)
	}
	_, again, err := read(main)
	if err != nil || again.Digest() != files.Digest() {
		t.Errorf("the same files, another digest: %v", err)
	}
	text, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "conf.d/a.toml")); err != nil {
		t.Fatal(err)
	}
	if _, changed, err := read(main); err != nil || changed.Digest() == files.Digest() {
		t.Errorf("other files, the same digest: %v", err)
	}
	var kept Snapshot
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	second, err := kept.Remake(main)
	if err != nil {
		t.Fatal(err)
	}
	if changes := config.Compare(first, second); len(changes) != 0 || len(second.Doors) != 3 || second.Doors[1].Name != "db" || len(second.Doors[0].OneTime) != 1 {
		t.Errorf("made again: %+v, different in %+v", second.Doors, changes)
	}
	if kept.Digest() != files.Digest() {
		t.Error("another digest after it was on disk")
	}
	delete(kept, filepath.Join(dir, "once")[1:])
	if cfg, err := kept.Remake(main); err == nil {
		t.Errorf("made of a copy with a file missing: %+v", cfg)
	}
}

func TestRecordOfATrial(t *testing.T) {
	s := open(filepath.Join(t.TempDir(), "state"))
	if r, err := s.Read(); r != nil || err != nil || r.Pending() {
		t.Errorf("%+v %v", r, err)
	}
	r := &Record{Path: "/etc/s.toml", Good: Snapshot{"etc/s.toml": {Mode: 0o600, Data: []byte("x")}}, Tried: "abc", Boot: "this", Deadline: 2 * time.Hour, Until: time.Now().Round(0)}
	if err := s.Write(r); err != nil {
		t.Fatal(err)
	}
	got, err := s.Read()
	if err != nil || !got.Pending() || got.Left("this", time.Hour) != time.Hour || got.Left("this", 3*time.Hour) != 0 {
		t.Fatalf("%+v %v", got, err)
	}
	if diff := cmp.Diff(r, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(s.path(recordName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: it holds secrets", info, err)
	}
	if got.Left("another", time.Hour) != 0 {
		t.Error("a trial outlives the machine")
	}
	got.Ended = time.Now()
	if got.Pending() {
		t.Error("pending though it has ended")
	}
	for _, text := range []string{"", "{", "[]", `{"good": 7}`} {
		if err := os.WriteFile(s.path(recordName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Read(); err == nil {
			t.Errorf("%q is read as %+v", text, r)
		}
	}
	// What cannot be written says so, and leaves what there was.
	if err := open("/proc/none").Write(&Record{}); err == nil {
		t.Error("written into /proc")
	}
}

// open returns the store in a folder.
func open(dir string) Store {
	return Open(func(name string) string { return map[string]string{"STATE_DIRECTORY": dir}[name] })
}
