package journal

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/event"
)

// smallDisk mounts a file system of so many bytes. The tests of this package
// run unprivileged; where mounting is refused the test is skipped.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A journal that has filled its disk gives up its oldest rows and goes on.
func TestFullDisk(t *testing.T) {
	j := begin(t, filepath.Join(smallDisk(t, 24<<20), "journal.db"), Options{Chain: true, MaxSize: 16 << 20})
	long := strings.Repeat("x", 1500)
	for i := range 9_000 { // 13 MB and indexes
		e := granted(noon, fmt.Sprint(i))
		e.Detail = long
		j.Put(e)
		if i%1000 == 0 {
			eventually(t, "the queue is taken", func() bool { return j.Stats().Queued == 0 })
		}
	}
	t.Cleanup(func() { t.Logf("%+v", j.Stats()) })
	eventually(t, "everything is written or counted as lost", func() bool {
		s := j.Stats()
		return s.Queued == 0 && s.Problem == nil
	})
	j.Put(granted(noon, "last"))
	if err := j.stop(); err != nil {
		t.Fatal(err)
	}
	got := details(read(t, j.path, Query{Kinds: []event.Kind{event.KindFailure}}))
	if !strings.Contains(got, "the disk is full") {
		t.Errorf("the journal says\n%.2000s", got)
	}
	if n := len(read(t, j.path, Query{Client: "last"})); n != 1 {
		t.Error("what came last is not there")
	}
	if v, err := open(t, j.path).Verify(t.Context()); err != nil || len(v.Faults) > 0 || v.Rows < 500 {
		t.Errorf("%d rows, %v, %v", v.Rows, v.Faults, err)
	}
}

// Where someone else fills the disk, the journal waits, and goes on when there
// is room again.
func TestReadOnly(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	j := begin(t, filepath.Join(dir, "journal.db"), Options{})
	j.Put(granted(noon, "before"))
	eventually(t, "a row", func() bool { return rows(t, j.path) == 1 })
	if err := j.stop(); err != nil {
		t.Fatal(err)
	}
	remount(t, dir, unix.MS_RDONLY)
	if got := read(t, j.path, Query{}); len(got) != 1 {
		t.Errorf("read %d rows from a read-only file system, want 1", len(got))
	}
	j = begin(t, j.path, Options{})
	j.Put(granted(noon, "during"))
	eventually(t, "a problem", func() bool { return j.Stats().Problem != nil })
	remount(t, dir, 0)
	eventually(t, "it is written again", func() bool { return rows(t, j.path) == 2 })
	eventually(t, "no problem is left", func() bool { return j.Stats().Problem == nil })
}

func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV|flags, ""); err != nil {
		t.Fatal(err)
	}
}
