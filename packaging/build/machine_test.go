package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// machineRoot in the environment names the folder with the system of the
// machines; without it they have this one. test/platforms/root makes such folders.
const machineRoot = "SALLYPORT_MACHINE_ROOT"

// actAsMachine in the environment makes the test binary boot the machine whose
// folder it names.
const actAsMachine = "SALLYPORT_TEST_MACHINE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(actAsMachine); dir != "" {
		err := boot(dir)
		fmt.Fprintf(os.Stderr, "boot: %v\n", err)
		os.Exit(1)
	}
	os.Exit(withStage(m))
}

func withStage(m *testing.M) int {
	var err error
	if stage, err = os.MkdirTemp("", "sallyport-test-stage-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(stage)
	return m.Run()
}

// system is the folder in which the system of the machines is.
func system() string {
	if dir := os.Getenv(machineRoot); dir != "" {
		return dir
	}
	return "/"
}

// machine is a copy of this system, or of another one, with a systemd and a network of its own.
// What happens in it stays in it: its disk is a layer in memory, its processes
// end with the test.
type machine struct {
	*testing.T
	pid int
}

// long skips the test where nobody has asked for what takes long.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("SALLYPORT_REQUIRE") == "" && os.Getenv("SALLYPORT_LONG") == "" {
		t.Skip("this takes long: ask for it with SALLYPORT_LONG=1")
	}
}

// newMachine boots one.
func newMachine(t *testing.T) machine {
	t.Helper()
	long(t)
	need(t, "systemctl", "dpkg", "nft", "rpm", "ip", "nc", "sshd")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	m := machine{T: t}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), actAsMachine+"="+t.TempDir())
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.pid = cmd.Process.Pid
	t.Cleanup(func() {
		if t.Failed() {
			journal, _ := m.try("journalctl", "--no-pager", "--lines=100")
			t.Logf("the machine's journal:\n%s", journal)
		}
		cmd.Process.Kill() // the first process of a PID namespace takes all others along
		cmd.Wait()
		if log.Len() > 0 {
			t.Logf("the machine wrote:\n%s", log.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, err := m.try("systemctl", "is-active", "lab.target")
		if err == nil {
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("the machine does not boot: %v, %s", err, out)
		}
	}
}

// need skips the test, or fails it where SALLYPORT_REQUIRE names "peers",
// unless these programs are in the system of the machines and this is root.
func need(t *testing.T, programs ...string) {
	t.Helper()
	give := t.Skipf
	if slices.Contains(strings.Split(os.Getenv("SALLYPORT_REQUIRE"), ","), "peers") {
		give = t.Fatalf
	}
	if _, err := exec.LookPath("nsenter"); err != nil {
		give("to enter a machine takes a program: %v", err)
	}
	if os.Getuid() != 0 {
		give("only root can boot a machine in namespaces")
	}
	for _, name := range programs {
		if !has(name) {
			give("a machine needs %s, and %s has none", name, system())
		}
	}
}

// has reports whether the system of the machines has a program.
func has(name string) bool {
	for _, dir := range []string{"usr/bin", "usr/sbin", "bin", "sbin"} {
		if _, err := os.Stat(filepath.Join(system(), dir, name)); err == nil {
			return true
		}
	}
	return false
}

// try runs a command in the machine.
func (m machine) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	enter := []string{"--all", "--root", "--wd", "--target", strconv.Itoa(m.pid), "--"}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// must runs a command that has to succeed.
func (m machine) must(args ...string) string {
	m.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// fails runs a command that has to fail.
func (m machine) fails(args ...string) string {
	m.Helper()
	out, err := m.try(args...)
	if err == nil {
		m.Fatalf("%s succeeded:\n%s", strings.Join(args, " "), out)
	}
	return out
}

// version is that of the machine's systemd.
func (m machine) version() int {
	m.Helper()
	fields := strings.Fields(m.must("systemctl", "--version"))
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		m.Fatalf("systemctl --version says %q", fields)
	}
	return n
}

// boot becomes the first process of a machine.
func boot(dir string) error {
	if err := mounts(dir); err != nil {
		return err
	}
	if err := unix.Chroot(filepath.Join(dir, "root")); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	// Nothing of this system starts there but what keeps the journal.
	if err := os.WriteFile("/etc/systemd/system/lab.target", []byte("[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n"), 0o644); err != nil {
		return err
	}
	os.Remove("/usr/sbin/policy-rc.d")
	for _, dir := range []string{"/etc/sallyport", "/var/lib/sallyport"} { // of a gate on this very host
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	os.Remove("/var/lib/man-db/auto-update") // or each package has all manual pages indexed again, for a minute
	return unix.Exec("/lib/systemd/systemd", []string{"systemd", "--unit=lab.target", "--show-status=no", "--crash-reboot=no"}, []string{"container=lab"})
}

// mounts lays the machine's root over that of its system.
func mounts(dir string) error {
	at := func(name string) string { return filepath.Join(dir, "root", name) }
	layer := filepath.Join(dir, "layer")
	for _, d := range []string{layer, at("")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	mount := func(kind, target, options string, flags uintptr) error {
		if err := unix.Mount(kind, target, kind, flags, options); err != nil {
			return fmt.Errorf("mount %s at %s: %w", kind, target, err)
		}
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := mount("tmpfs", layer, "mode=755", 0); err != nil {
		return err
	}
	upper, work := filepath.Join(layer, "upper"), filepath.Join(layer, "work")
	for _, d := range []string{upper, work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if err := mount("overlay", at(""), "lowerdir="+system()+",upperdir="+upper+",workdir="+work, 0); err != nil {
		return err
	}
	for _, m := range []struct {
		kind, at, options string
		flags             uintptr
	}{
		{"proc", "proc", "", 0},
		{"sysfs", "sys", "", 0},
		{"cgroup2", "sys/fs/cgroup", "", 0},
		{"tmpfs", "run", "mode=755", 0},
		{"tmpfs", "tmp", "", 0},
		{"tmpfs", "dev", "mode=755", 0},
	} {
		if err := mount(m.kind, at(m.at), m.options, m.flags); err != nil {
			return err
		}
	}
	// Settings of the kernel are everybody's.
	if err := unix.Mount(at("proc/sys"), at("proc/sys"), "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := unix.Mount("", at("proc/sys"), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	return devices(at("dev"))
}

// devices lends a machine the harmless ones of the host.
func devices(dev string) error {
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		path := filepath.Join(dev, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+name, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("lend device %q: %w", name, err)
		}
	}
	for _, name := range []string{"shm", "pts"} {
		if err := os.Mkdir(filepath.Join(dev, name), 0o777); err != nil {
			return err
		}
	}
	// What PrivateDevices= of a unit expects to find.
	if err := unix.Mount("devpts", filepath.Join(dev, "pts"), "devpts", 0, "newinstance,ptmxmode=0666"); err != nil {
		return fmt.Errorf("mount devpts: %w", err)
	}
	return os.Symlink("pts/ptmx", filepath.Join(dev, "ptmx"))
}

// path is where a file of the machine is in this system.
func (m machine) path(inside string) string {
	return filepath.Join("/proc", strconv.Itoa(m.pid), "root", inside)
}
