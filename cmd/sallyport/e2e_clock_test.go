//go:build linux && !client_only

package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/keyfile"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/sequence"
	"sallyport/internal/spa"
)

// clockFile in the environment names a file with the seconds by which the clock of a
// program that clocked has built is ahead, as eight bytes.
const clockFile = "SALLYPORT_TEST_CLOCK"

// wallSource is a package of such a program. The monotonic reading of a time is its own.
const wallSource = `package wall

import (
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"sallyport/internal/clock/clocktest"
)

var ahead = open()

func open() *int64 {
	f, err := os.Open(os.Getenv("` + clockFile + `"))
	if err != nil {
		panic(err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*int64)(unsafe.Pointer(&b[0]))
}

func Ahead() time.Duration { return time.Duration(atomic.LoadInt64(ahead)) * time.Second }

func Now() time.Time { return clocktest.Forward(time.Now(), Ahead()) }

func Until(t time.Time) time.Duration { return t.Sub(Now()) }
`

var asksTheTime = regexp.MustCompile(`\btime\.(Now|Until)\b`)

// clocked builds the real command with a clock that can be set. No namespace has a wall
// clock of its own, and nothing in the sources knows of this one: the build takes copies of
// them that ask another clock for the time. Where the kernel's stamps are compared with it,
// it is put right.
func clocked(t *testing.T) string {
	t.Helper()
	dir, replace := t.TempDir(), make(map[string]string)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	put := func(path, text string) {
		to := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[path] = to
	}
	put(filepath.Join(root, "internal", "wall", "wall.go"), wallSource)
	stamps := 0
	for _, under := range []string{"cmd/sallyport", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, under), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "clocktest") {
				return err
			}
			text, err := os.ReadFile(path)
			source := asksTheTime.ReplaceAllString(string(text), "otherClock.$1")
			if strings.HasSuffix(path, "internal/capture/ring_linux.go") {
				stamps = strings.Count(source, "now.UnixNano()")
				source = strings.Replace(source, "now.UnixNano()", "now.UnixNano()-int64(otherClock.Ahead())", 1)
			}
			if source != string(text) {
				at := strings.Index(source, "\nimport ")
				put(path, source[:at]+"\nimport otherClock \"sallyport/internal/wall\"\n"+source[at:]+"\nvar (\n\t_ time.Duration\n\t_ = otherClock.Now\n)\n")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(replace) < 30 || stamps != 1 {
		t.Fatalf("%d files ask for the time, and one compares it with the kernel's %d times", len(replace), stamps)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	put("overlay", string(overlay))
	program := filepath.Join(dir, "sallyport")
	if out, err := exec.Command("go", "build", "-overlay", replace["overlay"], "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// clockWorld is a gate whose clock can be set, with a client for each kind of secret.
type clockWorld struct {
	*spaWorld
	clock string
	off   time.Duration
	used  [][]byte // messages that have opened the door
	steps [][]string
}

func newClockWorld(t *testing.T) *clockWorld {
	t.Helper()
	admit(t)
	program := clocked(t)
	w := &clockWorld{spaWorld: &spaWorld{world: newWorld(t, lab.Options{}), alice: newProver(t)}}
	w.clock = filepath.Join(w.dir, "clock")
	w.set(0)
	w.command = []string{"/usr/bin/env", clockFile + "=" + w.clock, program, "serve", "-c", w.config}
	w.serve("tcp", 22)
	w.configure("[spa]\nport = 40321\nclock_skew = \"10m\"\n" + bobsDoor + "[[client]]\nname = \"alice\"\ndoors = [\"ssh\"]\nkey = \"" + w.alice.authorized() + "\"\n")
	w.start()
	ring, err := keyfile.Load(filepath.Join(w.dir, "state", "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	w.server = ring.Current().Public()
	return w
}

// set sets the clock of the gate, and of a daemon that runs there.
func (w *clockWorld) set(off time.Duration) {
	w.t.Helper()
	f, err := os.OpenFile(w.clock, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(off/time.Second))), 0)
		f.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.off = off
}

// message opens the door with a message that is fresh by the clock of the gate.
func (w *clockWorld) message() {
	w.t.Helper()
	m := w.seal(w.alice, netip.Addr{}, func(h *spa.Header) { h.Time = h.Time.Add(w.off) })
	w.opens(w.Client, "tcp", at(w.Client, 22), func() { w.ask(w.Client, w.Client.Gate4, m) })
	w.used = append(w.used, m.Datagram)
}

// step opens the door with a sequence that is fresh by the clock of the gate, which may
// take a step to see that it was set.
func (w *clockWorld) step() {
	w.t.Helper()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.eventually("a sequence of now opens", func() bool {
		knocks := derived(int64(w.off/sequence.Period), sequence.OnlyTCP)
		w.knock(w.Client, w.Client.Gate4, knocks...)
		if w.probe(w.Client, "tcp", at(w.Client, 22)) != lab.Open {
			return false
		}
		w.steps = append(w.steps, knocks)
		return true
	})
	w.ends(w.Client, "tcp", at(w.Client, 22))
}

// again requires that nothing that was used opens once more, from anywhere.
func (w *clockWorld) again() {
	w.t.Helper()
	for _, h := range []*lab.Host{w.Client, w.Attacker} {
		for _, m := range w.used {
			w.send(h, h.Gate4, m)
		}
		for _, s := range w.steps {
			w.knock(h, h.Gate4, s...)
		}
		w.closed(h, "tcp", at(h, 22))
	}
	if g := w.status().Grants; len(g) != 0 {
		w.t.Errorf("with the clock %s off: %+v", w.off, g)
	}
}

// restart starts the daemon by another clock, as after a boot.
func (w *clockWorld) restart(off time.Duration) {
	w.t.Helper()
	w.kill()
	w.set(off)
	w.start()
}

func (w *clockWorld) counted(reason event.Reason, n uint64) {
	w.t.Helper()
	w.eventually("refusals: "+string(reason), func() bool { return w.status().Refusals[reason] >= n })
}

// anHour is what the log says of a message that is stamped an hour ahead, and that took a while.
var anHour = regexp.MustCompile(`the clock of this source is (1h|5\dm)`)

// However wrong the clock of the gate is, and whenever it is put right, nothing that was
// used works again; what is fresh by it does.
func TestWrongClockMakesNothingFresh(t *testing.T) {
	t.Parallel()
	if !labtest.Long() {
		t.Skip("it builds the whole program")
	}
	w := newClockWorld(t)
	w.message()
	w.step()
	w.again()
	w.counted("used-step", 1)

	w.restart(-time.Hour)
	w.again()
	w.knock(w.Client, w.Client.Gate4, derived(-120, sequence.OnlyTCP)...)
	w.counted("used-step", 1) // a step of before the latest one counts as used
	w.message()
	w.eventually("the log says by how much", func() bool { return anHour.MatchString(w.log.String()) })
	w.set(0) // NTP
	w.message()
	w.step()
	w.again()

	w.set(24 * time.Hour)
	w.message()
	w.step()
	w.again()
	w.set(0)
	w.message()
	w.again()
	w.restart(24 * time.Hour)
	w.again()
	w.message()

	// Nobody knows any more what was used, and the clock is late and put right.
	w.set(0)
	w.kill()
	for _, lost := range []string{"replay", "spent"} {
		if err := os.RemoveAll(filepath.Join(w.dir, "state", lost)); err != nil {
			t.Fatal(err)
		}
	}
	w.set(-time.Hour)
	w.start()
	if s := strings.Join(w.status().Problems, "\n"); !strings.Contains(s, "replay store") || !strings.Contains(s, "used sequences") {
		t.Errorf("the status says nothing of what was lost: %s", s)
	}
	w.again()
	w.set(0)
	w.again()
	w.counted(event.StaleTime, 2)
}
