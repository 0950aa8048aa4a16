//go:build linux

// Package beside tests the gate together with real programs of others: firewalls
// that are restarted, reloaded and flushed beside it, and services that are used
// behind its doors. Only the network is made up. The programs are Debian's, and
// run on hosts of a lab, each with files and sockets of its own.
package beside

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/control"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/served"
)

func TestMain(m *testing.M) {
	os.Setenv("LC_ALL", "C") // programs of others speak English
	labtest.Main(m)
}

// executable builds the real program, once. Its file is held open and has no name
// any more, so that nothing is left behind.
var executable = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sallyport-beside-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sallyport")
	build := exec.Command("go", "build", "-o", path, "sallyport/cmd/sallyport")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // also for an image without a libc
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sallyport: %w\n%s", err, out)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), err
})

// world is a lab with the real daemon on its gate, and a client with a key.
type world struct {
	*lab.Lab
	labtest.Ports
	t      *testing.T
	dir    string
	served served.Options
	daemon *served.Daemon
	log    *log
}

// newWorld builds a lab for a test that uses other people's programs. The daemon
// is not running yet.
func newWorld(t *testing.T, opts lab.Options, programs ...string) *world {
	t.Helper()
	if !labtest.Long() {
		t.Skip("it takes its time: set SALLYPORT_LONG or SALLYPORT_REQUIRE")
	}
	labtest.Need(t, "peers", programs...)
	labtest.Need(t, "netns", "go")
	if !labtest.MayBecome(1) {
		labtest.Lacking(t, "peers", errors.New("they want to be root of a whole machine"))
	}
	path, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Lab: labtest.New(t, opts), Ports: labtest.Ports{T: t}, t: t, dir: t.TempDir(), log: &log{}}
	w.served = served.Options{Gate: w.Gate, Executable: path, Dir: w.dir, Config: filepath.Join(w.dir, "sallyport.toml"), Log: w.log}
	w.sallyport(w.Client, "keygen", "--no-passphrase")
	t.Cleanup(func() {
		w.kill()
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", w.log)
		}
	})
	return w
}

// spaPort is where messages go.
const spaPort = 20321

// guard starts the daemon with doors, whose names alice's profile "gate" has.
func (w *world) guard(doors string, names ...string) {
	w.t.Helper()
	public, err := os.ReadFile(filepath.Join(w.dir, ".ssh", "id_ed25519.pub"))
	if err != nil {
		w.t.Fatal(err)
	}
	text := fmt.Sprintf("[daemon]\nstate_dir = %q\nsocket = %q\n[spa]\nport = %d\n%s\n[[client]]\nname = \"alice\"\nkey = %q\ndoors = [\"%s\"]\n",
		w.served.State(), filepath.Join(w.dir, "control.sock"), spaPort, doors, bytes.TrimSpace(public), strings.Join(names, `", "`))
	if err := os.WriteFile(w.served.Config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.start()
	profile := filepath.Join(w.dir, "gate.profile")
	out := w.sallyport(w.Gate, "client", "profile", "alice", "-c", w.served.Config, "--host", w.Client.Gate4.String())
	if err := os.WriteFile(profile, []byte(out), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.sallyport(w.Client, "add", "--as", "gate", profile)
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.daemon, err = served.Start(w.served); err != nil {
		w.t.Fatalf("%v\n%s", err, w.log)
	}
}

func (w *world) kill() {
	if w.daemon != nil {
		w.daemon.Kill()
		w.daemon = nil
	}
}

// prepare prepares a command on a host.
func (w *world) prepare(ctx context.Context, h *lab.Host, name string, args ...string) *lab.Cmd {
	cmd := h.Command(ctx, name, args...)
	cmd.Env = append(os.Environ(), "HOME="+w.dir, "XDG_CONFIG_HOME="+filepath.Join(w.dir, ".config"), "SSH_AUTH_SOCK=", "STATE_DIRECTORY="+w.served.State())
	return cmd
}

// run runs a command on a host, which must succeed, and returns what it wrote.
func (w *world) run(h *lab.Host, name string, args ...string) string {
	w.t.Helper()
	out, err := w.try(h, name, args...)
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return out
}

func (w *world) try(h *lab.Host, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // also while the test cleans up
	defer cancel()
	cmd := w.prepare(ctx, h, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		return out.String() + errs.String(), err
	}
	return out.String(), nil
}

// sallyport runs the real command on a host.
func (w *world) sallyport(h *lab.Host, args ...string) string {
	w.t.Helper()
	return w.run(h, w.served.Executable, args...)
}

// background runs a command on a host until the test ends, and returns what ends
// it before and what it has written.
func (w *world) background(h *lab.Host, env []string, name string, args ...string) (end func(), out *log) {
	w.t.Helper()
	cmd := w.prepare(context.Background(), h, name, args...)
	cmd.Env = append(cmd.Env, env...)
	out = &log{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // what it has left behind may hold its output
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		// Each can only fail because the process has ended.
		_ = cmd.Process.Signal(unix.SIGTERM)
		late := time.AfterFunc(labtest.Patience, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait()
	})
	w.t.Cleanup(func() {
		end()
		if w.t.Failed() {
			w.t.Logf("%s:\n%s", filepath.Base(name), out)
		}
	})
	return end, out
}

func (w *world) status() control.Status {
	w.t.Helper()
	var s control.Status
	if err := json.Unmarshal([]byte(w.sallyport(w.Gate, "status", "-c", w.served.Config, "--json")), &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// said requires that check names something.
func (w *world) said(part string) {
	w.t.Helper()
	if out, _ := w.try(w.Gate, w.served.Executable, "check", "-c", w.served.Config); !strings.Contains(out, part) {
		w.t.Errorf("check does not say %q:\n%s", part, out)
	}
}

// greet runs a service on a host that answers every connection.
func (w *world) greet(h *lab.Host, ports ...uint16) {
	w.t.Helper()
	for _, p := range ports {
		if _, err := h.Greet(netip.AddrPortFrom(netip.IPv6Unspecified(), p)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// over lays a copy of a file or a folder over it, for these tests alone, and
// returns where the copy is.
func (w *world) over(path string) string {
	w.t.Helper()
	copied := filepath.Join(w.t.TempDir(), filepath.Base(path))
	w.run(w.Gate, "cp", "-a", path, copied)
	w.mount(copied, path, "", unix.MS_BIND)
	return copied
}

// empty lays an empty folder over one.
func (w *world) empty(path string) {
	w.t.Helper()
	w.mount("none", path, "tmpfs", 0)
}

func (w *world) mount(source, target, kind string, flags uintptr) {
	w.t.Helper()
	if err := unix.Mount(source, target, kind, flags, ""); err != nil {
		w.t.Fatalf("mount %s: %v", target, err)
	}
	w.t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			w.t.Error(err)
		}
	})
}

// log gathers what a program writes while a test reads it.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// at is a port of the gate as a host sees it.
func at(h *lab.Host, port uint16) netip.AddrPort  { return netip.AddrPortFrom(h.Gate4, port) }
func at6(h *lab.Host, port uint16) netip.AddrPort { return netip.AddrPortFrom(h.Gate6, port) }
