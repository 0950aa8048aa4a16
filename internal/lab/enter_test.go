//go:build linux

package lab_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab/labtest"
)

// TestWithoutRoot runs this test program once more as a user without rights,
// outside of the namespaces that this one has entered.
func TestWithoutRoot(t *testing.T) {
	labtest.Need(t, "netns")
	if ownUsers(t) {
		t.Skip("already without root, like every test of this run")
	}
	const nobody = 65534
	cmd := exec.Command(forEverybody(t), "-test.run=^(TestEveryHostReachesTheGate|TestWhoWeAre)$", "-test.v")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SALLYPORT_REQUIRE=" + os.Getenv("SALLYPORT_REQUIRE"), wantUser + "=mapped"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("no user namespaces for users without rights here:\n%s", out)
	}
	if n := strings.Count(string(out), "--- PASS"); n != 2 {
		t.Errorf("%d tests passed, want 2:\n%s", n, out)
	}
}

// wantUser asks TestWhoWeAre for what TestWithoutRoot has set up.
const wantUser = "SALLYPORT_LAB_TEST_USER"

func TestWhoWeAre(t *testing.T) {
	labtest.Need(t, "netns")
	if os.Getenv(wantUser) == "mapped" && !ownUsers(t) {
		t.Error("not in a user namespace of our own")
	}
	links, err := net.Interfaces()
	if err != nil || len(links) != 1 || links[0].Flags&net.FlagUp == 0 {
		t.Errorf("got interfaces %v, %v; want lo alone, up", links, err)
	}
}

func TestMountsStayInside(t *testing.T) {
	labtest.Need(t, "netns")
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	outside, err := os.ReadFile(fmt.Sprintf("/proc/%d/mounts", os.Getppid()))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(outside), dir) {
		t.Error("the mount is seen outside")
	}
}

// forEverybody copies this test program to where any user can run it.
func forEverybody(t *testing.T) string {
	t.Helper()
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "lab.test")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(path, program, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

// ownUsers reports whether this process is in a user namespace that knows
// only one user, as Enter makes them.
func ownUsers(t *testing.T) bool {
	t.Helper()
	uids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(uids))
	return len(fields) == 3 && fields[2] == "1"
}
