//go:build linux

package grant

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/conntrack"
	"sallyport/internal/event"
)

// smallDisk is a file system with room for very little.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=64k"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// fill leaves no room on a small disk, and returns what makes room again.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filling")
	f, err := os.Create(path)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	f.Close()
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// source is one of many.
func source(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }

// What does not fit on a full disk is written when there is room again: who
// owns a grant is known after the next start, and what has ended meanwhile is over.
func TestRoomAgainForOwners(t *testing.T) {
	for name, fullAtStart := range map[string]bool{"full while it runs": false, "full at the start": true} {
		t.Run(name, func(t *testing.T) {
			dir, f := smallDisk(t), &fakeFirewall{until: make(map[key]time.Time)}
			free := func() {}
			if fullAtStart {
				free = fill(t, dir)
			}
			b := New(f, openRegister(t, dir, "boot", start))
			if !fullAtStart {
				mustOpen(t, b, of("early", ssh(source(1000), 60)), start)
				free = fill(t, dir)
			}
			const many = 100
			for i := range many {
				mustOpen(t, b, of(fmt.Sprint("client-", i), ssh(source(i), 60)), start)
			}
			mustRevoke(t, b, belongs("client-7"), start)
			mustOpen(t, b, of("client-8", ssh(source(8), 80)), start)
			if b.Mend() == nil {
				t.Fatal("nothing is said of a full disk")
			}
			free()
			if err := b.Mend(); err != nil || len(b.register.slots.awaiting) != 0 {
				t.Fatalf("with room again: %v, %d records wait", err, len(b.register.slots.awaiting))
			}
			b = New(f, openRegister(t, dir, "boot", after(2)))
			if _, err := b.Restore(f.elements(), after(2)); err != nil {
				t.Fatal(err)
			}
			for _, g := range b.Live(after(2)) {
				if g.Holder == event.Anyone || g.Client == "client-7" || g.Client == "client-8" && !g.Until.Equal(after(80)) {
					t.Errorf("after the next start: %+v", g)
				}
			}
			if n := len(b.Live(after(2))); n != many-1 && fullAtStart || n != many && !fullAtStart {
				t.Errorf("%d grants are known", n)
			}
		})
	}
}

func TestRoomAgainForSessions(t *testing.T) {
	dir := smallDisk(t)
	s := openSessions(t, dir, start)
	free := fill(t, dir)
	list := make([]conntrack.Flow, 40)
	for i := range list {
		list[i] = flow(uint32(i), uint16(i))
		s.Begun(list[i], []event.Owner{{Client: "alice"}}, start)
	}
	if s.Mend() == nil {
		t.Fatal("nothing is said of a full disk")
	}
	free()
	if err := s.Mend(); err != nil {
		t.Fatal(err)
	}
	s = openSessions(t, dir, after(1))
	s.Reread(list, after(1), nobody, after(1))
	for _, f := range list {
		if got, _ := s.Find(f); len(got.Owners) != 1 {
			t.Errorf("%+v", got)
		}
	}
}

// A start on a full disk goes on in the file that is there: what it says is not
// lost, and what it says no longer is not believed later.
func TestStartOnAFullDisk(t *testing.T) {
	dir, f := smallDisk(t), &fakeFirewall{until: make(map[key]time.Time)}
	b := New(f, openRegister(t, dir, "boot", start))
	mustOpen(t, b, of("alice", ssh(alice, 60)), start)
	mustOpen(t, b, of("bob", ssh(alice, 50)), start)
	fill(t, dir)
	restart := func(seconds int) {
		t.Helper()
		b = New(f, openRegister(t, dir, "boot", after(seconds)))
		if _, err := b.Restore(f.elements(), after(seconds)); err != nil {
			t.Fatal(err)
		}
		if err := b.Problem(); err != nil {
			t.Errorf("after %d s: %v", seconds, err)
		}
	}
	restart(1)
	mustRevoke(t, b, belongs("alice"), after(2))
	restart(3)
	if live := b.Live(after(3)); len(live) != 1 || live[0].Client != "bob" || !live[0].Until.Equal(after(50)) {
		t.Errorf("%+v", live)
	}
}

// However much waits for room, a grant does not wait long for it, and what is
// opened and closed over and over takes no more of the memory.
func TestWhatWaitsForRoomIsBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	b := New(nothing{}, openRegister(t, dir, "boot", start))
	for round := range 3 {
		for i := range 3 * mendAtOnce {
			mustOpen(t, b, of("alice", ssh(source(i), 60+round)), after(round))
		}
		mustRevoke(t, b, belongs("alice"), after(round))
	}
	s := b.register.slots
	if n := len(s.awaiting); n != 3*mendAtOnce {
		t.Fatalf("%d records wait", n)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	turns := 1
	for ; mendOnce(&b.mu, s); turns++ {
	}
	if turns < 3 || b.Problem() != nil {
		t.Errorf("%d turns, problem %v", turns, b.Problem())
	}
}
