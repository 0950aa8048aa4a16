//go:build linux

package setup

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/key"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

// The daemon's user gets the state, its group may read the configuration, and
// what was there before stays whose it was.
func TestInitGives(t *testing.T) {
	if !labtest.MayBecome(65534) {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	old := filepath.Join(dir, "var", "old")
	if err := os.MkdirAll(old, 0o700); err != nil {
		t.Fatal(err)
	}
	s := Setup{Dir: filepath.Join(dir, "etc"), State: filepath.Join(dir, "var"), Suite: key.X25519}
	if _, err := s.Write(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.give(65534, 65533); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]uint32{
		"etc": {0, 65533}, "etc/conf.d": {0, 65533}, "etc/sallyport.toml": {0, 65533},
		"var/server.key": {65534, 65533}, "var/replay": {65534, 65533}, "var/replay/index": {65534, 65533},
		"var": {0, 0}, "var/old": {0, 0},
	} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil || [2]uint32{st.Uid, st.Gid} != want {
			t.Errorf("%s belongs to %d:%d, %v; want %v", name, st.Uid, st.Gid, err, want)
		}
	}
}

func TestRandomSequences(t *testing.T) {
	h, err := Look()
	if err != nil {
		t.Fatal(err)
	}
	taken := packet.Port{Proto: packet.TCP, Number: 2000}
	h.Take(taken)
	protocols := make(map[packet.Proto]int)
	seen := make(map[packet.Port]bool)
	for range 200 {
		list, err := h.Sequence()
		if err != nil {
			t.Fatal(err)
		}
		rising, falling := true, true
		for i, p := range list {
			if p.Number < 1024 || p.Number >= h.below || p == taken || seen[p] {
				t.Errorf("%v is no port for a knock", p)
			}
			seen[p] = true
			protocols[p.Proto]++
			rising = rising && (i == 0 || list[i-1].Number <= p.Number)
			falling = falling && (i == 0 || list[i-1].Number >= p.Number)
		}
		if len(list) != 5 || rising || falling {
			t.Errorf("%v is in order", list)
		}
	}
	// 1,000 fair coins: fewer than 300 of either happens once in 10^36 runs.
	if protocols[packet.TCP] < 300 || protocols[packet.UDP] < 300 {
		t.Errorf("knocks by protocol: %v", protocols)
	}
	h.below = 1500
	if _, err := h.Sequence(); err == nil {
		t.Error("knocks were found where there is no room")
	}
}
