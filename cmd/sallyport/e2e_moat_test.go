//go:build linux && !client_only

package main

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/keyfile"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/spa"
)

const (
	moatOn      = "[moat]\ninterfaces = ['to-client', 'to-attacker']\n"
	moatNative  = moatOn + "mode = 'native'\n"
	moatGeneric = moatOn + "mode = 'generic'\n"
)

// mountPins mounts the BPF file system where the daemon pins what it attaches,
// in the mount namespace of the tests.
var mountPins = sync.OnceValue(func() error { return unix.Mount("bpf", "/sys/fs/bpf", "bpf", 0, "") })

func newMoatWorld(t *testing.T, settings string) *spaWorld {
	t.Helper()
	labtest.Need(t, "netns")
	labtest.Need(t, "bpf")
	if err := mountPins(); err != nil {
		t.Fatal(err)
	}
	return newSPAWorld(t, settings)
}

// guarded waits until all interfaces of the moat are in a mode.
func (w *world) guarded(mode string) {
	w.t.Helper()
	w.eventually("the moat is "+mode, func() bool {
		list := w.status().Moat.Interfaces
		return len(list) == 2 && !slices.ContainsFunc(list, func(i control.MoatInterface) bool { return i.Mode != mode })
	})
}

// junk sends datagrams with the length of a message.
func (w *world) junk(h *lab.Host, to netip.Addr, n int) {
	w.t.Helper()
	conn, err := h.Dial(w.t.Context(), "udp", netip.AddrPortFrom(to, spaPort).String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	payload := make([]byte, 1232)
	for range n {
		_, _ = rand.Read(payload)
		_, _ = conn.Write(payload) // an answer to an earlier one is an error here
	}
}

// program is the id of the XDP program on an interface of the gate, or 0.
func (w *world) program(name string) (id uint32) {
	w.t.Helper()
	err := w.Gate.Do(func() error {
		dev, err := netlink.LinkByName(name)
		if err == nil && dev.Attrs().Xdp != nil {
			id = dev.Attrs().Xdp.ProgId
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// opensFor requires that a message of alice opens the door.
func (w *spaWorld) opensFor(h *lab.Host, to netip.Addr) {
	w.t.Helper()
	if ack := w.ask(h, to, w.seal(w.alice, netip.Addr{}, nil)); ack.Status != spa.Opened {
		w.t.Errorf("acknowledgement %+v", ack)
	}
}

func TestMoatDropsJunkAndNothingElse(t *testing.T) {
	for _, c := range []struct{ mode, settings string }{
		{"native", moatNative},
		{"generic", moatGeneric},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			w := newMoatWorld(t, c.settings)
			w.guarded(c.mode)
			for _, to := range []netip.Addr{w.Attacker.Gate4, w.Attacker.Gate6} {
				before := w.status()
				w.junk(w.Attacker, to, 3000)
				w.eventually("junk is dropped", func() bool {
					return w.status().Moat.Dropped[event.BadTag] >= before.Moat.Dropped[event.BadTag]+2500
				})
				if n := w.status().Capture["spa"].Received - before.Capture["spa"].Received; n > 300 {
					t.Errorf("%d of 3000 came as far as the daemon", n)
				}
				w.opensFor(w.Client, w.Client.Gate4)
				w.opensFor(w.Client, w.Client.Gate6)
			}
			if out := w.must(w.Gate, "status", "-c", w.config); !strings.Contains(out, "Moat: to-attacker "+c.mode) {
				t.Errorf("status does not tell:\n%s", out)
			}
		})
	}
}

// The program goes on while there is no daemon, and the next daemon takes it
// over; "down" removes it, with a daemon and without.
func TestMoatOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	w := newMoatWorld(t, moatNative)
	w.guarded("native")
	id := w.program("to-attacker")
	w.kill()
	if w.program("to-attacker") != id {
		t.Fatal("the moat went with the daemon")
	}
	w.junk(w.Attacker, w.Attacker.Gate4, 500)
	w.start()
	w.guarded("native")
	if now := w.program("to-attacker"); now == 0 || now == id {
		t.Errorf("program %d follows program %d", now, id)
	}
	w.opensFor(w.Client, w.Client.Gate4)
	w.must(w.Gate, "down", "-c", w.config)
	w.wait()
	if id := w.program("to-attacker"); id != 0 {
		t.Errorf("program %d is there after down", id)
	}
	w.start()
	w.guarded("native")
	w.kill()
	w.must(w.Gate, "down", "-c", w.config)
	if id := w.program("to-attacker"); id != 0 {
		t.Errorf("program %d is there after down without a daemon", id)
	}
}

// A new server key is in the moat as soon as it is in the daemon, and a new
// mode takes effect without a restart.
func TestMoatFollowsTheConfiguration(t *testing.T) {
	t.Parallel()
	w := newMoatWorld(t, moatNative)
	w.guarded("native")
	before := w.seal(w.alice, netip.Addr{}, nil)
	w.must(w.Gate, "server-key", "rotate", "-c", w.config)
	ring, err := keyfile.Load(w.dir + "/state/server.key")
	if err != nil {
		t.Fatal(err)
	}
	if ring.Current().Public().Equal(w.server) {
		t.Fatal("the key was not rotated")
	}
	w.must(w.Gate, "reload", "-c", w.config)
	w.server = ring.Current().Public()
	w.junk(w.Attacker, w.Attacker.Gate4, 500) // no wrong tag passes any more
	w.opensFor(w.Client, w.Client.Gate4)
	if ack := w.ask(w.Client, w.Client.Gate4, before); ack.Status != spa.Opened {
		t.Errorf("a message to the previous key: %+v", ack)
	}
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.config, []byte(strings.Replace(string(text), "mode = 'native'", "mode = 'off'", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(w.Gate, "reload", "-c", w.config)
	w.eventually("the moat is off", func() bool { return w.program("to-attacker") == 0 && len(w.status().Moat.Interfaces) == 0 })
	w.opensFor(w.Client, w.Client.Gate4)
}

// A scan is counted in the kernel, and told.
func TestMoatCountsScans(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nmap")
	w := newMoatWorld(t, moatNative)
	w.guarded("native")
	w.eventually("contacts are counted in the kernel", func() bool { return w.status().Moat.Contacts })
	scan := w.Attacker.Command(t.Context(), "nmap", "-n", "-Pn", "-sS", "-p", "1000-1999", "--max-retries", "0", w.Attacker.Gate4.String())
	if out, err := scan.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := w.status().Capture["knocks"].Received; n != 0 {
		t.Errorf("the daemon looked at %d packets itself", n)
	}
	w.eventually("the scan is found", func() bool {
		return slices.ContainsFunc(w.findings(), func(f string) bool {
			return strings.HasPrefix(f, "scan") && strings.HasSuffix(f, w.Attacker.IP4.String())
		})
	})
}

// With someone's socket on the SPA port, what comes for it must reach it.
func TestMoatMakesRoomForASocket(t *testing.T) {
	t.Parallel()
	w := newMoatWorld(t, moatNative)
	w.guarded("native")
	conn, err := w.Gate.ListenPacket("udp", ":40321")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.eventually("the moat lets everything through", func() bool { return strings.Contains(w.status().Moat.Problem, "socket") })
	before := w.status().Moat.Dropped[event.BadTag]
	w.junk(w.Attacker, w.Attacker.Gate4, 300)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for n := range 75 { // more than the wrong tags that pass; the socket's own buffer is small
		if _, _, err := conn.ReadFrom(make([]byte, 2000)); err != nil {
			t.Fatalf("%d datagrams arrive: %v", n, err)
		}
	}
	if now := w.status().Moat.Dropped[event.BadTag]; now != before {
		t.Errorf("%d datagrams were dropped", now-before)
	}
}

// Without the right to load the program everything works as without it, and
// status says what is missing; with it, nothing more than that is needed.
func TestMoatNeedsRights(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "setpriv")
	if !labtest.MayBecome(65534) {
		t.Skip("only root can become someone else")
	}
	w := newMoatWorld(t, moatNative)
	w.guarded("native")
	w.kill()
	w.must(w.Gate, "down", "-c", w.config)
	if err := os.Remove(w.socket); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(w.dir), 0o777); err != nil {
		t.Fatal(err)
	}
	self := filepath.Join(w.dir, "sallyport")
	if err := copyFile(self, "/proc/self/exe"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(w.dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, 65534, 65534))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ rights, mode, reason string }{
		{"-all,+net_admin,+net_raw", "off", "needs CAP_BPF"},
		{"-all,+net_admin,+net_raw,+bpf,+perfmon", "native", ""},
	} {
		w.command = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
			"--inh-caps=" + c.rights, "--ambient-caps=" + c.rights, "--bounding-set=" + c.rights, self, "serve", "-c", w.config}
		w.start()
		w.guarded(c.mode)
		for _, i := range w.status().Moat.Interfaces {
			if !strings.Contains(i.Reason, c.reason) {
				t.Errorf("with %s: %+v", c.rights, i)
			}
		}
		if !strings.Contains(w.log.String(), "moat: "+c.mode) {
			t.Errorf("with %s the log says nothing of a moat that is %s:\n%s", c.rights, c.mode, w.log)
		}
		w.opensFor(w.Client, w.Client.Gate4)
		w.kill()
	}
}
