//go:build linux && !client_only

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// actAsCommand in the environment makes the test binary the real command.
const actAsCommand = "SALLYPORT_TEST_COMMAND"

func TestMain(m *testing.M) {
	os.Setenv("LC_ALL", "C") // whatever the language of the developer
	if os.Getenv(actAsCommand) != "" {
		if err := refuse(os.Getenv(refused)); err != nil {
			panic(err)
		}
		main()
		return
	}
	if task := os.Getenv(measureDials); task != "" {
		if err := measure(task); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// What a test changes in this process belongs to no daemon of this machine.
	state := filepath.Join(os.TempDir(), fmt.Sprintf("sallyport-tests-%d", os.Getuid()))
	if err := errors.Join(os.MkdirAll(state, 0o700), os.Setenv("STATE_DIRECTORY", state)); err != nil {
		panic(err)
	}
	// What bounds these tests is how many labs there are, not how many of them wait.
	if err := flag.Set("test.parallel", "1000"); err != nil {
		panic(err)
	}
	labtest.Main(m)
}

// world is a lab with the real daemon on its gate, as a process of its own.
type world struct {
	*lab.Lab
	t      *testing.T
	dir    string
	socket string
	config string

	env     []string // more environment for commands
	command []string // to start the daemon with; nil: serve, as this user

	daemon *lab.Cmd
	ended  chan error
	log    *lockedBuffer
}

// lockedBuffer gathers what the daemon writes while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// labs is how many tests have a lab at once, or do something as heavy. They mostly wait
// for doors to close: two processors can wait for eight.
var labs = struct {
	sync.Mutex
	slots chan struct{}
	of    map[string]bool
}{slots: make(chan struct{}, 8), of: make(map[string]bool)}

// admit waits until there is room for what a test does, unless the test, or the one that
// it is a part of, has it already.
func admit(t *testing.T) {
	t.Helper()
	set := func(has bool) {
		labs.Lock()
		defer labs.Unlock()
		labs.of[t.Name()] = has
	}
	has := func() bool {
		labs.Lock()
		defer labs.Unlock()
		for name := t.Name(); name != "."; name = path.Dir(name) {
			if labs.of[name] {
				return true
			}
		}
		return false
	}
	if has() {
		return
	}
	labs.slots <- struct{}{}
	set(true)
	t.Cleanup(func() {
		set(false)
		<-labs.slots
	})
}

// patience is how long something that must happen may take on a busy machine.
const patience = labtest.Patience

// newWorld builds a lab without starting the daemon.
func newWorld(t *testing.T, opts lab.Options) *world {
	t.Helper()
	admit(t)
	w := &world{Lab: labtest.New(t, opts), t: t, dir: t.TempDir(), log: &lockedBuffer{}}
	w.socket = filepath.Join(w.dir, "control.sock")
	w.config = filepath.Join(w.dir, "sallyport.toml")
	t.Cleanup(func() {
		w.kill()
		if strings.Contains(w.log.String(), "DATA RACE") {
			t.Error("the daemon has a data race") // which its exit status does not say when it is killed
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", w.log)
		}
	})
	return w
}

// newGuarded builds a lab, runs services on the gate, and starts the daemon
// with the given doors (TOML after [daemon]).
func newGuarded(t *testing.T, doors string) *world {
	t.Helper()
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	w.configure(doors)
	w.start()
	return w
}

// serve runs a service on the gate: a greeter for tcp, an echo for udp.
func (w *world) serve(network string, port uint16) {
	w.t.Helper()
	at := netip.AddrPortFrom(netip.IPv6Unspecified(), port)
	var err error
	if network == "udp" {
		_, err = w.Gate.Echo(at)
	} else {
		_, err = w.Gate.Greet(at)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// configure writes the configuration.
func (w *world) configure(rest string) {
	w.t.Helper()
	text := fmt.Sprintf("[daemon]\nstate_dir = %q\nsocket = %q\n%s", filepath.Join(w.dir, "state"), w.socket, rest)
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// stateDirectory keeps what is in force with the rest of the world.
func (w *world) stateDirectory() string { return "STATE_DIRECTORY=" + filepath.Join(w.dir, "state") }

// sallyport prepares the real command on a host.
func (w *world) sallyport(h *lab.Host, args ...string) *lab.Cmd {
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	w.t.Cleanup(cancel)
	cmd := h.Command(ctx, self, args...)
	cmd.Env = append(append(os.Environ(), actAsCommand+"=1", w.stateDirectory()), w.env...)
	return cmd
}

// run runs the real command on a host and returns what it wrote.
func (w *world) run(h *lab.Host, args ...string) (stdout, stderr string, status int) {
	w.t.Helper()
	cmd := w.sallyport(h, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return out.String(), errs.String(), exit.ExitCode()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return out.String(), errs.String(), 0
}

// must runs a command that has to succeed and returns its output.
func (w *world) must(h *lab.Host, args ...string) string {
	w.t.Helper()
	out, errs, status := w.run(h, args...)
	if status != 0 {
		w.t.Fatalf("sallyport %s: status %d\n%s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

// start starts the daemon and waits until it is ready, as a service manager does.
func (w *world) start() {
	w.t.Helper()
	ready := w.launch()
	select {
	case <-ready:
	case err := <-w.ended:
		w.daemon = nil
		w.t.Fatalf("the daemon ended at its start: %v\n%s", err, w.log)
	case <-time.After(patience):
		w.t.Fatalf("the daemon is not ready\n%s", w.log)
	}
}

// launch starts the daemon and returns a channel that reports when it is ready.
func (w *world) launch() <-chan struct{} {
	w.t.Helper()
	notify := filepath.Join(w.dir, "notify.sock")
	os.Remove(notify)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err == nil {
		err = os.Chmod(notify, 0o666) // the daemon may be another user
	}
	if err != nil {
		w.t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		defer conn.Close()
		buf := make([]byte, 256)
		for {
			n, err := conn.Read(buf)
			if err != nil || strings.HasPrefix(string(buf[:n]), "READY=1") {
				close(ready)
				return
			}
		}
	}()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	command := w.command
	if command == nil {
		command = []string{self, "serve", "-c", w.config}
	}
	w.daemon = w.Gate.Command(context.Background(), command[0], command[1:]...)
	w.daemon.Env = append(os.Environ(), actAsCommand+"=1", "NOTIFY_SOCKET="+notify, w.stateDirectory())
	w.daemon.Stdout, w.daemon.Stderr = w.log, w.log
	if err := w.daemon.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	daemon := w.daemon
	go func() { ended <- daemon.Wait() }()
	w.ended = ended
	return ready
}

// kill ends the daemon with SIGKILL, if it runs.
func (w *world) kill() {
	if w.daemon == nil {
		return
	}
	w.daemon.Process.Kill()
	<-w.ended
	w.daemon = nil
}

// stop ends the daemon with SIGTERM and returns its exit status.
func (w *world) stop() int {
	w.t.Helper()
	if err := w.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
	return w.wait()
}

// wait waits for the daemon to end and returns its exit status.
func (w *world) wait() int {
	w.t.Helper()
	select {
	case err := <-w.ended:
		w.daemon = nil
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return exit.ExitCode()
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return 0
	case <-time.After(patience):
		w.t.Fatalf("the daemon did not end\n%s", w.log)
		return -1
	}
}

// status asks the daemon.
func (w *world) status() control.Status {
	w.t.Helper()
	var s control.Status
	if err := json.Unmarshal([]byte(w.must(w.Gate, "status", "-c", w.config, "--json")), &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// at is a port of the gate as a host sees it.
func at(h *lab.Host, port uint16) netip.AddrPort { return netip.AddrPortFrom(h.Gate4, port) }

func at6(h *lab.Host, port uint16) netip.AddrPort { return netip.AddrPortFrom(h.Gate6, port) }

// ports is the vocabulary of all tests that open and close.
func (w *world) ports() labtest.Ports { return labtest.Ports{T: w.t} }

// probe looks at a port once, from outside.
func (w *world) probe(h *lab.Host, network string, to netip.AddrPort) lab.Answer {
	w.t.Helper()
	return w.ports().Probe(h, network, to, labtest.Silence)
}

// dropped returns how many packets to a door's ports the kernel has refused.
func (w *world) dropped(door string) uint64 {
	w.t.Helper()
	for _, d := range w.status().Doors {
		if d.Name == door {
			return d.Dropped
		}
	}
	w.t.Fatalf("there is no door %q", door)
	return 0
}

// closed requires that a port does not answer.
func (w *world) closed(h *lab.Host, network string, to netip.AddrPort) {
	w.t.Helper()
	w.ports().Closed(h, network, to)
}

// open requires that a port answers, soon.
func (w *world) open(h *lab.Host, network string, to netip.AddrPort) {
	w.t.Helper()
	w.ports().Open(h, network, to)
}

// closes requires that a port ceases to answer by itself.
func (w *world) closes(h *lab.Host, network string, to netip.AddrPort) {
	w.t.Helper()
	w.ports().Closes(h, network, to)
}

// ends takes all grants back, and requires that a port closes by that. Only what
// is about the end that a grant has by itself waits for it: a grant that ends
// within a test ends too early where the machine is busy.
func (w *world) ends(h *lab.Host, network string, to netip.AddrPort) {
	w.t.Helper()
	w.must(w.Gate, "revoke", "-c", w.config, "--all")
	w.closed(h, network, to)
}

// opens requires that a port is closed, answers when knock is done, and closes
// when the grant is taken back.
func (w *world) opens(h *lab.Host, network string, to netip.AddrPort, knock func()) {
	w.t.Helper()
	w.ports().Opens(h, network, to, knock, func() { w.ends(h, network, to) })
}

// expires requires that a port is closed, answers when knock is done, and closes
// again by itself.
func (w *world) expires(h *lab.Host, network string, to netip.AddrPort, knock func()) {
	w.t.Helper()
	w.ports().Expires(h, network, to, knock)
}

// watch looks at a port from now on, and returns what waits until it has
// answered like that: what does not last may be over before a command has ended.
func (w *world) watch(h *lab.Host, network string, to netip.AddrPort, want lab.Answer) (seen func()) {
	w.t.Helper()
	return w.ports().Watch(h, network, to, want)
}

// enter connects while a grant lasts that may be over before: then it is asked
// for once more.
func (w *world) enter(h *lab.Host, to netip.AddrPort, ask func()) *session {
	w.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		ask()
		if s, err := w.dial(h, to, 500*time.Millisecond); err == nil { // a probe would be a connection of its own
			return s
		}
	}
	w.t.Fatalf("%s does not open to %s", to, h.Name)
	return nil
}

func (w *world) becomes(h *lab.Host, network string, to netip.AddrPort, want lab.Answer) bool {
	w.t.Helper()
	return w.ports().Becomes(h, network, to, want)
}

// knock sends a sequence with the real command.
func (w *world) knock(h *lab.Host, to netip.Addr, knocks ...string) {
	w.t.Helper()
	w.must(h, append([]string{"knock", to.String()}, knocks...)...)
}

// eventually polls a condition.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	w.ports().Eventually(what, ok)
}

// halt stops the daemon with a signal, and returns when none of its threads runs any more:
// the signal is one thread's, and the others may go on for a while where the machine is
// busy.
func (w *world) halt() {
	w.t.Helper()
	pid := w.daemon.Process.Pid
	if err := w.daemon.Process.Signal(syscall.SIGSTOP); err != nil {
		w.t.Fatal(err)
	}
	w.eventually("every thread of the daemon stands still", func() bool {
		states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		return err == nil && len(states) > 0 && !slices.ContainsFunc(states, func(path string) bool {
			stat, err := os.ReadFile(path)
			_, state, _ := strings.Cut(string(stat), ") ")
			return err == nil && !strings.HasPrefix(state, "T")
		})
	})
}
