//go:build linux

// Package labtest lets tests use labs, and other things that not every
// machine has. A test says what it needs; where that is missing it is skipped
// with one line, or fails if the environment variable SALLYPORT_REQUIRE
// (a list such as "netns,bpf,peers,browser") says that it must run.
//
// A package whose tests build labs runs them all inside private namespaces:
//
//	func TestMain(m *testing.M) { labtest.Main(m) }
package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
)

var errNoMain = errors.New("the package has no TestMain that calls labtest.Main")

// errRefused says why this test run is not inside the lab's namespaces. Main
// sets it before the first test.
var errRefused = errNoMain

// Main runs the tests of a package in private namespaces, with only a
// loopback interface, which is up. Where the system refuses such namespaces
// it runs them where they are, and those that need "netns" are skipped.
func Main(m *testing.M) {
	inside, status, err := lab.Enter(context.Background())
	if !inside && err == nil {
		os.Exit(status)
	}
	errRefused = err
	os.Exit(m.Run())
}

// Need skips the test, or fails it, unless the machine has a tier:
//
//	netns    private network namespaces (needs Main)
//	bpf      the right to load eBPF programs
//	peers    other people's programs, named in programs
//	browser  a web browser, named in programs
//	links    kinds of interfaces and the like that not every kernel has (see Lacking)
//	disks    block devices that a test can lend to the kernel (see Lacking)
//
// All programs must be found, for every tier.
func Need(t testing.TB, tier string, programs ...string) {
	t.Helper()
	if err := missing(tier, programs); err != nil {
		Lacking(t, tier, err)
	}
}

// Lacking skips the test, or fails it, for want of what belongs to a tier and
// what only the test itself can find out.
func Lacking(t testing.TB, tier string, err error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("SALLYPORT_REQUIRE"), ","), tier) {
		t.Fatalf("tier %q is required: %v", tier, err)
	}
	t.Skipf("tier %q cannot run here: %v", tier, err)
}

// Long reports whether tests that take long run at all: where a tier is required, or
// with SALLYPORT_LONG.
func Long() bool { return os.Getenv("SALLYPORT_REQUIRE") != "" || repeats() }

// Rounds returns how often a test repeats what may go another way each time: many
// times with SALLYPORT_LONG, few times otherwise, whatever is required.
func Rounds(few, many int) int {
	if repeats() {
		return many
	}
	return few
}

func repeats() bool { return os.Getenv("SALLYPORT_LONG") != "" }

// New builds a lab that is closed when the test ends. It needs "netns".
func New(t testing.TB, opts lab.Options) *lab.Lab {
	t.Helper()
	Need(t, "netns")
	l, err := lab.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return l
}

func missing(tier string, programs []string) error {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return err
		}
	}
	switch tier {
	case "netns":
		return errRefused
	case "bpf":
		return bpfRefused()
	case "peers", "browser", "links", "disks":
		return nil
	}
	return errors.New("no such tier")
}

// bpfRefused makes a map of a kind that needs CAP_BPF in the first user
// namespace, as XDP programs do.
func bpfRefused() error {
	attr := struct{ kind, keySize, valueSize, maxEntries, flags uint32 }{
		kind: unix.BPF_MAP_TYPE_LPM_TRIE, keySize: 8, valueSize: 4, maxEntries: 1, flags: unix.BPF_F_NO_PREALLOC,
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_MAP_CREATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return fmt.Errorf("make an eBPF map: %w", errno)
	}
	return unix.Close(int(fd))
}

// MayBecome reports whether a process here can run as another user: not in a
// user namespace that knows only one.
func MayBecome(uid uint32) bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return os.Getuid() == 0 && err == nil && !strings.HasSuffix(strings.TrimSpace(string(text)), " 1") && uid > 0
}
