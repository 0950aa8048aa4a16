//go:build linux

package moat

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
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
	return g.Attachments()
}

// dropped sends junk from the client and tells how much of it is dropped.
func (g *guard) dropped(n int) uint64 {
	g.t.Helper()
	before := g.counters()
	for _, to := range []netip.Addr{g.Client.Gate4, g.Client.Gate6} {
		conn, err := g.Client.Dial(g.t.Context(), "udp", netip.AddrPortFrom(to, spaPort).String())
		if err != nil {
			g.t.Fatal(err)
		}
		for range n / 2 {
			// An answer to an earlier one, that the port is closed, is an error here.
			_, _ = conn.Write(g.datagram(hybrid, 0, false))
		}
		_ = conn.Close()
	}
	for deadline := time.Now().Add(time.Second); ; {
		now := g.counters()
		if seen := now.WrongTag + now.Sampled - before.WrongTag - before.Sampled; seen >= uint64(n) || time.Now().After(deadline) {
			return now.WrongTag - before.WrongTag
		}
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
		if n := g.dropped(500); n != 0 {
			t.Fatalf("%d dropped without an attachment", n)
		}
		if got := only(g.sync(c.policy), toClient); got != c.want {
			t.Fatalf("%+v, want %+v", got, c.want)
		}
		if n := g.dropped(500); n < 300 {
			t.Errorf("%s: %d of 500 dropped", c.want.Mode, n)
		}
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
	if n := g.dropped(500); n < 300 {
		t.Errorf("%d of 500 dropped", n)
	}
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
		if n := g.dropped(500); n < 300 {
			t.Errorf("%d of 500 dropped", n)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (g *guard) until(what string, ready func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ready(); {
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
	if n := g.dropped(500); n < 300 {
		t.Errorf("%d of 500 dropped", n)
	}
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

func TestLoadWithoutRights(t *testing.T) {
	err := errors.Join(unix.EPERM)
	if remedy(err) == "" || remedy(unix.EINVAL) != "" {
		t.Error("the remedy is for lack of rights")
	}
	if _, err := os.Stat(DefaultDir); err == nil {
		t.Log("there is a folder of pins on this machine")
	}
}
