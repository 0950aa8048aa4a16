//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// refused in the environment of the real command is what its kernel refuses, as
// in containers of all kinds: a word of refusals.
const refused = "SALLYPORT_TEST_REFUSED"

// refusals are system calls that fail: the error, the number of the call and what it
// is called with, a domain and a protocol of sockets.
var refusals = map[string]struct {
	errno unix.Errno
	call  []uint32
}{
	"nf_tables": {unix.EPROTONOSUPPORT, []uint32{unix.SYS_SOCKET, unix.AF_NETLINK, unix.NETLINK_NETFILTER}},
	"packet":    {unix.EAFNOSUPPORT, []uint32{unix.SYS_SOCKET, unix.AF_PACKET}},
	"bpf":       {unix.EPERM, []uint32{unix.SYS_BPF}},
}

// refuse makes this process one whose kernel refuses something, for good.
func refuse(what string) error {
	if what == "" {
		return nil
	}
	r := refusals[what]
	// Of struct seccomp_data (include/uapi/linux/seccomp.h) the call, and the lower
	// halves of the first and the third argument where the order of bytes is x86's.
	offsets := []uint32{0, 16, 32}
	var program []bpf.Instruction
	for i, want := range r.call {
		program = append(program, bpf.LoadAbsolute{Off: offsets[i], Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: want, SkipTrue: uint8(2*(len(r.call)-i) - 1)})
	}
	program = append(program, bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(r.errno)}, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // no_new_privs is of this thread, until the filter is of all
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter))); errno != 0 {
		return errno
	}
	return nil
}

// Containers give root less than its name promises, each in its own way. What is
// missing is named, all of it at once, with what helps.
func TestWhatAContainerLacks(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "setpriv", "unshare", "sh")
	script := filepath.Join(t.TempDir(), "hide")
	if err := os.WriteFile(script, []byte("mount -t tmpfs none /proc/sys/net\nexec \"$@\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		command string // before the program
		refused string
		want    []string
	}{
		{"without rights", "setpriv --no-new-privs --bounding-set=-net_admin,-net_raw", "", []string{
			"the right CAP_NET_ADMIN over this network is missing", "root lacks CAP_NET_ADMIN and CAP_NET_RAW here", "docker run --cap-add NET_ADMIN --cap-add NET_RAW)"}},
		{"without raw sockets", "setpriv --no-new-privs --bounding-set=-net_raw", "", []string{
			"needs CAP_NET_RAW", "root lacks CAP_NET_RAW here", "docker run --cap-add NET_RAW)"}},
		{"root of a user namespace, in the network of its host", "unshare --user --map-root-user", "", []string{
			"the right CAP_NET_ADMIN over this network is missing", "its rights end at its container, which uses the network of its host"}},
		{"without the settings of the network", "unshare --mount sh -e " + script, "", []string{
			"/proc/sys/net/ipv4/ip_local_port_range: no such file or directory", "hint: the kernel shows it where /proc is mounted whole"}},
		{"a kernel without nf_tables", "", "nf_tables", []string{
			"the kernel has no nf_tables", "a container has the kernel of its host"}},
		{"a kernel without packet sockets", "", "packet", []string{
			"this kernel has no packet sockets: load the module af_packet"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, lab.Options{})
			w.serve("tcp", 22)
			w.configure(sshDoor)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			args := append(strings.Fields(c.command), self, "serve", "-c", w.config)
			cmd := w.Gate.Command(t.Context(), args[0], args[1:]...)
			cmd.Env = append(os.Environ(), actAsCommand+"=1", refused+"="+c.refused, w.stateDirectory())
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("it ran")
			}
			for _, want := range c.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
			if strings.Contains(string(out), "sudo") {
				t.Errorf("root is advised to become root:\n%s", out)
			}
		})
	}
}

// Settings of the kernel that cannot be changed, and a kernel that takes no
// programs, keep no door from its work; what is missing for the moat is said.
func TestInALockedContainer(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "unshare", "sh")
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	w.configure("[moat]\nmode = \"generic\"\ninterfaces = [\"to-client\"]\n" + sshDoor)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.command = []string{"unshare", "--mount", "sh", "-ec", `mount --bind /proc/sys /proc/sys
		mount -o remount,bind,ro /proc/sys
		! (: >/proc/sys/net/ipv4/ip_forward) 2>/dev/null
		exec env ` + refused + `=bpf "$0" serve -c "$1"`, self, w.config}
	w.start()
	w.opens(w.Client, "tcp", at(w.Client, 22), func() { w.knock(w.Client, w.Client.Gate4, sshKnocks...) })
	const want = "to-client off (load the XDP program: operation not permitted (needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON of the host"
	if out := w.must(w.Gate, "status", "-c", w.config); !strings.Contains(out, want) {
		t.Errorf("status does not say %q:\n%s", want, out)
	}
}

// Advice fits who was refused.
func TestPermissionHint(t *testing.T) {
	file := &fs.PathError{Op: "open", Path: "/etc/x", Err: unix.EPERM}
	for _, c := range []struct {
		err     error
		uid     int
		lacking []string
		want    string
	}{
		{unix.EPERM, 1000, []string{"CAP_NET_ADMIN"}, "sudo"},
		{fmt.Errorf("read: %w", file), 1000, nil, "sudo"},
		{fmt.Errorf("read: %w", file), 0, nil, "lsattr"},
		{unix.EPERM, 0, []string{"CAP_NET_ADMIN"}, "docker run --cap-add NET_ADMIN)"},
		{unix.EPERM, 0, nil, "a network of its own"},
	} {
		if got := permissionHint(c.err, c.uid, c.lacking); !strings.Contains(got, c.want) {
			t.Errorf("%v for %d without %q: %q", c.err, c.uid, c.lacking, got)
		}
	}
	for path, want := range map[string]bool{"/proc/sys/net/ipv4/x": true, "/proc/1/stat": false, "/etc/x": false} {
		err := advise(fmt.Errorf("read: %w", &fs.PathError{Op: "open", Path: path, Err: unix.ENOENT}))
		if errors.As(err, new(interface{ Hint() string })) != want {
			t.Errorf("advice for a missing %s: want %t: %v", path, want, err)
		}
	}
	if err := advise(unix.EPERM); !errors.As(err, new(interface{ Hint() string })) {
		t.Error("a refusal comes without advice")
	}
}
