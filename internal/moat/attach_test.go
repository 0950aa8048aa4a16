//go:build linux

package moat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/key"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// toClient is the gate's interface.
const toClient = "to-client"

// pins mounts a BPF file system for the test, and returns a folder in it.
func pins(t *testing.T) string {
	t.Helper()
	labtest.Need(t, "netns") // in a mount namespace of its own
	labtest.Need(t, "bpf")
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "sallyport")
}

// guard is a moat on the gate of a lab.
type guard struct {
	*bench
	*lab.Lab
	dir string
}

func newGuard(t *testing.T, opts lab.Options) *guard {
	dir := pins(t)
	g := &guard{Lab: labtest.New(t, opts), dir: dir}
	g.bench = newBench(t, key.Hybrid, time.Minute)
	g.again()
	return g
}

// again is what the daemon does when it starts.
func (g *guard) again() {
	g.t.Helper()
	var m *Moat
	err := g.Gate.Do(func() (err error) {
		m, err = New(g.dir, slog.New(slog.DiscardHandler))
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = m.Close() })
	g.Moat = m
	g.setKeys(time.Now())
	if err := m.SetHost(Host{Own: []netip.Addr{g.Gate.IP4, g.Gate.IP6}}); err != nil {
		g.t.Fatal(err)
	}
}

func (g *guard) sync(p Policy) []Attachment {
	g.t.Helper()
	if err := g.Gate.Do(func() error { return g.Sync(p) }); err != nil {
		g.t.Fatal(err)
	}
	if g.loaded {
		g.exhaust()
	}
	return g.Attachments()
}

// junk sends some from the client, over IPv4 and IPv6.
func (g *guard) junk() {
	g.t.Helper()
	for _, to := range []netip.Addr{g.Client.Gate4, g.Client.Gate6} {
		conn, err := g.Client.Dial(g.t.Context(), "udp", netip.AddrPortFrom(to, spaPort).String())
		if err != nil {
			g.t.Fatal(err)
		}
		for range 20 {
			// An answer to an earlier one, that the port is closed, is an error here.
			_, _ = conn.Write(g.datagram(hybrid, 0, false))
		}
		_ = conn.Close()
	}
}

// drops waits until more junk from the client has been dropped than comes over one
// protocol. A driver may lose some of it.
func (g *guard) drops() {
	g.t.Helper()
	before, sent := g.counters().WrongTag, 0
	g.until("dropping", func() bool {
		g.junk()
		sent += 20
		return g.counters().WrongTag > before+uint64(sent)
	})
}

// dropsNothing sends junk, and looks when what was sent after it has been answered.
func (g *guard) dropsNothing() {
	g.t.Helper()
	before := g.counters().WrongTag
	g.junk()
	g.reaches()
	if n := g.counters().WrongTag - before; n != 0 {
		g.t.Fatalf("%d dropped without an attachment", n)
	}
}

func (g *guard) reaches() {
	g.t.Helper()
	for _, to := range []netip.Addr{g.Client.Gate4, g.Client.Gate6} {
		if answer, err := g.Client.Probe("tcp", netip.AddrPortFrom(to, 9), time.Second); err != nil || answer != lab.Refused {
			g.t.Errorf("the gate answers %s: %q, %v", to, answer, err)
		}
	}
}

func only(list []Attachment, name string) Attachment {
	for _, a := range list {
		if a.Interface == name {
			return a
		}
	}
	return Attachment{}
}

func TestModes(t *testing.T) {
	t.Parallel()
	g := newGuard(t, lab.Options{})
	for _, c := range []struct {
		policy Policy
		want   Attachment
	}{
		{Policy{Interfaces: []string{toClient}, Native: true}, Attachment{toClient, Native, "", true}},
		{Policy{Interfaces: []string{toClient}, Generic: true}, Attachment{toClient, Generic, "so configured", true}},
		{Policy{Interfaces: []string{toClient}}, Attachment{toClient, Generic, "the driver of veth loses packets under load", true}},
	} {
		g.dropsNothing()
		if got := only(g.sync(c.policy), toClient); got != c.want {
			t.Fatalf("%+v, want %+v", got, c.want)
		}
		g.drops()
		g.reaches()
		g.sync(Policy{Interfaces: []string{"none"}})
	}
	if files, err := filepath.Glob(filepath.Join(g.dir, "*", "*")); len(files) != 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// A new process goes on where the last one was killed, and meanwhile the
// program works on.
func TestSurvivesTheDaemon(t *testing.T) {
	t.Parallel()
	g := newGuard(t, lab.Options{})
	g.sync(Policy{Interfaces: []string{toClient}, Native: true})
	first := g.Moat
	id := g.programID()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if g.programID() != id {
		t.Fatal("the program went with its process")
	}
	g.again()
	if got := only(g.sync(Policy{Interfaces: []string{toClient}, Native: true}), toClient); got.Mode != Native || !got.Pinned {
		t.Fatalf("%+v", got)
	}
	if now := g.programID(); now == 0 || now == id {
		t.Errorf("program %d in the place of %d", now, id)
	}
	g.drops()
	if err := g.Gate.Do(func() error { return Remove(g.dir) }); err != nil {
		t.Fatal(err)
	}
	_ = g.Close()
	if id := g.programID(); id != 0 {
		t.Errorf("program %d is still there after down", id)
	}
}

// programID asks the kernel which program the gate's interface runs.
func (g *guard) programID() (id uint32) {
	g.t.Helper()
	err := g.Gate.Do(func() error {
		dev, err := netlink.LinkByName(toClient)
		if err == nil && dev.Attrs().Xdp != nil {
			id = dev.Attrs().Xdp.ProgId
		}
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return id
}

// Close hides that of the lab: the moat's is meant.
func (g *guard) Close() error { return g.Moat.Close() }

func TestAnotherProgramIsThere(t *testing.T) {
	t.Parallel()
	g := newGuard(t, lab.Options{})
	other, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "Apache-2.0",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var theirs link.Link
	err = g.Gate.Do(func() error {
		dev, err := netlink.LinkByName(toClient)
		if err != nil {
			return err
		}
		theirs, err = link.AttachXDP(link.XDPOptions{Program: other, Interface: dev.Attrs().Index})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	policy := Policy{Interfaces: []string{toClient}, Native: true}
	got := only(g.sync(policy), toClient)
	if got.Mode != Off || !strings.Contains(got.Reason, "another XDP program") {
		t.Errorf("%+v", got)
	}
	g.reaches()
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	if got := only(g.sync(policy), toClient); got.Mode != Native {
		t.Errorf("after it has gone: %+v", got)
	}
}

func TestInterfaceComesAndGoes(t *testing.T) {
	t.Parallel()
	g := newGuard(t, lab.Options{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- g.Gate.Do(func() error {
			return g.Run(ctx, func() Policy { return Policy{Interfaces: []string{toClient}, Native: true} }, nil)
		})
	}()
	g.until("native", func() bool { return only(g.Attachments(), toClient).Mode == Native })
	for range 2 {
		if err := g.Remove(g.Client); err != nil {
			t.Fatal(err)
		}
		g.until("gone", func() bool { return len(g.Attachments()) == 0 })
		if err := g.Connect(g.Client); err != nil {
			t.Fatal(err)
		}
		g.until("native again", func() bool { return only(g.Attachments(), toClient).Mode == Native })
		g.drops()
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (g *guard) until(what string, ready func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ready(); {
		if time.Now().After(deadline) {
			g.t.Fatalf("not %s within 10 s: %+v", what, g.Attachments())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestWithoutABPFFileSystem(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "netns")
	g := &guard{Lab: labtest.New(t, lab.Options{}), dir: filepath.Join(t.TempDir(), "pins")}
	g.bench = newBench(t, key.Hybrid, time.Minute)
	g.again()
	got := only(g.sync(Policy{Interfaces: []string{toClient}, Native: true}), toClient)
	if got.Mode != Native || got.Pinned || !strings.Contains(got.Reason, "ends with the daemon") {
		t.Errorf("%+v", got)
	}
	g.drops()
	_ = g.Close()
	if id := g.programID(); id != 0 {
		t.Errorf("program %d is still there", id)
	}
}

func TestNotEthernet(t *testing.T) {
	t.Parallel()
	g := newGuard(t, lab.Options{})
	if got := only(g.sync(Policy{Interfaces: []string{"lo"}}), "lo"); got.Mode != Off || got.Reason == "" {
		t.Errorf("%+v", got)
	}
	if got := g.sync(Policy{}); len(got) != 0 {
		t.Errorf("a lab has no physical interfaces, but %+v", got)
	}
}

// The remedy is for lack of rights, and not for whatever the verifier refuses.
func TestRemedy(t *testing.T) {
	refused := func(line string) error {
		return fmt.Errorf("program moat: %w", &ebpf.VerifierError{Cause: unix.EACCES, Log: []string{line, "processed 7 insns"}})
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{errors.Join(unix.EPERM), true},
		{unix.EINVAL, false},
		{refused("R0 max value is outside of the allowed memory range"), false},
		{refused("R1 pointer arithmetic prohibited for !root"), true},
	} {
		if got := remedy(c.err) != ""; got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

// What is told is why the last attempt failed: the first one also fails on
// kernels that load the second.
func TestTheLastAttemptIsTold(t *testing.T) {
	first, last := errors.New("no packets in several pieces"), errors.New("no room")
	var asked []bool
	err := either(func(frags bool) error {
		asked = append(asked, frags)
		if frags {
			return first
		}
		return last
	})
	if !errors.Is(err, last) || errors.Is(err, first) || !slices.Equal(asked, []bool{true, false}) {
		t.Errorf("%v, asked for %v", err, asked)
	}
}
