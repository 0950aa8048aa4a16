package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// marker is the environment variable in which Enter tells the second run
// which network namespace the first one lives in. A process in any other
// namespace is inside; one that merely inherited the variable is not.
const marker = "SALLYPORT_LAB_OUTSIDE"

// stopDelay is how long the second run may take to stop when it is told to.
const stopDelay = 10 * time.Second

// Enter makes sure that the program runs in private network and mount
// namespaces (and in a user namespace of its own where it lacks the right to
// make the others). Call it first, before anything has been set up.
//
// Where it is not there yet, Enter runs the program again inside, with the
// same arguments, environment and standard streams, waits until that ends and
// returns its exit status; the caller must then exit with that status. When
// ctx ends, the second run gets SIGTERM. Inside, Enter returns at once, with
// inside true and the loopback interface up.
func Enter(ctx context.Context) (inside bool, status int, err error) {
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return false, 1, fmt.Errorf("find own network namespace: %w", err)
	}
	outside := os.Getenv(marker)
	if outside == "" || outside == here {
		status, err = runAgain(ctx, here)
		return false, status, err
	}
	if err := settle(); err != nil {
		return false, 1, fmt.Errorf("prepare the lab's namespaces: %w%s", err, remedy(err))
	}
	return true, 0, nil
}

// runAgain runs this program in new namespaces.
func runAgain(ctx context.Context, here string) (status int, err error) {
	// The kernel sends Pdeathsig when the thread that started the process ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(withoutMarker(os.Environ()), marker+"="+here)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopDelay
	cmd.SysProcAttr = namespaces()
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("make private namespaces: %w%s", err, remedy(err))
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exitStatus(exit.ProcessState), nil
	}
	if err != nil {
		return 1, fmt.Errorf("run %q in private namespaces: %w", os.Args[0], err)
	}
	return 0, nil
}

// namespaces says which namespaces the second run gets. A user namespace is
// added only where it is needed: inside one the kernel refuses eBPF for good.
func namespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if !maySetUpNamespaces() {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

// maySetUpNamespaces reports whether this process has the capabilities to
// make and to furnish network namespaces.
func maySetUpNamespaces() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	const need = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN
	return data[0].Effective&need == need
}

// settle makes fresh namespaces usable: mounts do not spread to the host,
// and lo is up (without it nothing can connect even to itself).
func settle() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts private: %w", err)
	}
	return loopbackUp()
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find interface lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring interface lo up: %w", err)
	}
	return nil
}

// exitStatus is the status a shell would report: 128+n for signal n.
func exitStatus(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

func withoutMarker(env []string) []string {
	kept := make([]string, 0, len(env)+1)
	for _, v := range env {
		if !strings.HasPrefix(v, marker+"=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// remedy names the usual switches where a system refuses namespaces.
func remedy(err error) string {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSPC) {
		return " (run as root, or allow unprivileged user namespaces: see the sysctls user.max_user_namespaces, " +
			"kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns)"
	}
	return ""
}
