//go:build linux && !client_only

package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/client"
	"sallyport/internal/lab"
	"sallyport/internal/packet"
	"sallyport/internal/replay/disk"
	"sallyport/internal/sequence"
	"sallyport/internal/spent"
)

const (
	bobsSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	bobsDoor   = `
[[door]]
name = "ssh"
ports = ["tcp/22"]
open_for = "1h"

[[client]]
name = "bob"
doors = ["ssh"]
rotating = "` + bobsSecret + `"
`
)

// derived is bob's sequence of the step that is now, or of another.
func derived(off int64, protos sequence.Protos) []string {
	secret, err := sequence.ParseSecret(bobsSecret)
	if err != nil {
		panic(err)
	}
	shape := sequence.DefaultShape
	shape.Protos = protos
	return words(sequence.NewRotation(secret, shape).Knocks("ssh", sequence.StepAt(time.Now())+off))
}

func words(knocks []packet.Port) (list []string) {
	for _, k := range knocks {
		list = append(list, k.String())
	}
	return list
}

// refused waits until a refusal of that reason has been told.
func (w *world) refused(reason string) {
	w.t.Helper()
	w.eventually("refusal: "+reason, func() bool {
		for r, n := range w.status().Refusals {
			if string(r) == reason && n > 0 {
				return true
			}
		}
		return false
	})
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

func TestRotatingSequencesOpen(t *testing.T) {
	for _, protos := range []sequence.Protos{sequence.OnlyTCP, sequence.OnlyUDP, sequence.BothProtos} {
		t.Run(string(protos), func(t *testing.T) {
			t.Parallel()
			w := newGuarded(t, fmt.Sprintf("[rotating]\nproto = %q\n", protos)+bobsDoor)
			w.closed(w.Client, "tcp", at(w.Client, 22))
			knocks := derived(0, protos)
			w.knock(w.Client, w.Client.Gate4, knocks...)
			w.open(w.Client, "tcp", at(w.Client, 22))
			w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
			if grants := w.status().Grants; len(grants) != 1 || grants[0].Client != "bob" {
				t.Errorf("grants %+v", grants)
			}
			w.ends(w.Client, "tcp", at(w.Client, 22))

			w.knock(w.Client, w.Client.Gate4, knocks...)
			w.refused("used-step")
			w.knock(w.Attacker, w.Attacker.Gate4, knocks...)
			w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
		})
	}
}

// A clock that is a step off is right enough; three steps are too many.
func TestClockOfARotatingClient(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, bobsDoor)
	for _, off := range []int64{-3, 3} {
		w.knock(w.Client, w.Client.Gate4, derived(off, sequence.OnlyTCP)...)
		w.closed(w.Client, "tcp", at(w.Client, 22))
	}
	// Were the step to change between here and the gate, one before would be two.
	w.knock(w.Client, w.Client.Gate4, derived(1, sequence.OnlyTCP)...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.ends(w.Client, "tcp", at(w.Client, 22))
}

// What was used stays used when the daemon is killed, and when it was used
// while the clock was an hour ahead.
func TestUsedStepsSurviveKilling(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, bobsDoor)
	knocks := derived(0, sequence.OnlyTCP)
	w.knock(w.Client, w.Client.Gate4, knocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.ends(w.Client, "tcp", at(w.Client, 22))
	w.kill()
	w.start()
	w.knock(w.Client, w.Client.Gate4, knocks...)
	w.refused("used-step")
	w.knock(w.Client, w.Client.Gate4, derived(1, sequence.OnlyTCP)...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.ends(w.Client, "tcp", at(w.Client, 22))

	w.kill()
	files, err := disk.Open(filepath.Join(w.dir, "state", "spent"))
	if err != nil {
		t.Fatal(err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	store, _, notices := spent.Open(files, strings.TrimSpace(string(boot)), 0)
	if len(notices) > 0 {
		t.Errorf("after a kill: %q", notices)
	}
	if err := store.Write(spent.Step("bob", "ssh", sequence.StepAt(time.Now().Add(time.Hour)))); err != nil {
		t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.knock(w.Client, w.Client.Gate4, derived(1, sequence.OnlyTCP)...)
	w.refused("used-step")
}

// A lost memory opens nothing that may have been used.
func TestLostMemory(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, bobsDoor)
	w.kill()
	if err := os.Remove(filepath.Join(w.dir, "state", "spent", "spent")); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.knock(w.Client, w.Client.Gate4, derived(0, sequence.OnlyTCP)...)
	w.refused("used-step")
	if problems := strings.Join(w.status().Problems, "\n"); !strings.Contains(problems, "it is lost") {
		t.Errorf("problems: %q", problems)
	}
}

// fill leaves no room on a disk and returns what removes that.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "fill")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// A step that cannot be recorded opens nothing; with room again, the next does.
func TestFullDiskWhileAStepIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	small := filepath.Join(w.dir, "state")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(small, unix.MNT_DETACH) })
	w.configure(bobsDoor)
	w.start()
	if status := w.stop(); status != 0 {
		t.Fatalf("status %d", status)
	}
	free := fill(t, small)
	w.start()
	w.knock(w.Client, w.Client.Gate4, derived(0, sequence.OnlyTCP)...)
	w.refused("no-record")
	free()
	w.opens(w.Client, "tcp", at(w.Client, 22), func() { w.knock(w.Client, w.Client.Gate4, derived(1, sequence.OnlyTCP)...) })
}

func TestOneTimeSequences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	list := filepath.Join(w.dir, "list")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := []string{"tcp/7001", "udp/8001", "tcp/6001"}
	second := append(first, "udp/5001", "tcp/9001")
	write("# two for the journey\n" + strings.Join(first, " ") + "\n" + strings.Join(second, " ") + "\n")
	w.configure(fmt.Sprintf("[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nopen_for = \"1h\"\nsequences_file = %q\n", list))
	w.start()
	opens := func(knocks []string) {
		t.Helper()
		w.knock(w.Client, w.Client.Gate4, knocks...)
		w.open(w.Client, "tcp", at(w.Client, 22))
		w.ends(w.Client, "tcp", at(w.Client, 22))
	}
	w.closed(w.Client, "tcp", at(w.Client, 22))
	opens(first)
	w.kill() // right after it was used
	w.start()
	w.knock(w.Client, w.Client.Gate4, first...)
	w.refused("used-step")
	w.knock(w.Client, w.Client.Gate4, "tcp/4001") // so that what follows is not a continuation
	w.knock(w.Client, w.Client.Gate4, second[3:]...)
	w.closed(w.Client, "tcp", at(w.Client, 22))
	opens(second)
	w.eventually("the last one is told", func() bool { return strings.Contains(w.log.String(), "the last one-time sequence") })
	if problems := strings.Join(w.status().Problems, "\n"); !strings.Contains(problems, "every one-time sequence has been used") {
		t.Errorf("problems: %q", problems)
	}
	if out, _, _ := w.run(w.Gate, "check", "-c", w.config); !strings.Contains(out, "holds no unused one-time sequence") {
		t.Errorf("check: %s", out)
	}

	third := []string{"udp/3001", "tcp/2001"}
	write(strings.Join(first, " ") + "\n" + strings.Join(third, " ") + "\n")
	if err := w.daemon.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.eventually("the new list is in use", func() bool {
		return !strings.Contains(strings.Join(w.status().Problems, "\n"), "every one-time")
	})
	w.knock(w.Client, w.Client.Gate4, first...) // is still used
	w.closed(w.Client, "tcp", at(w.Client, 22))
	opens(third)
}

// A damaged memory opens nothing that may have been used.
func TestDamagedMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	list := filepath.Join(w.dir, "list")
	if err := os.WriteFile(list, []byte("tcp/7001 udp/8001 tcp/6001\ntcp/7002 udp/8002 tcp/6002\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.configure(strings.Replace(bobsDoor, "open_for", fmt.Sprintf("sequences_file = %q\nopen_for", list), 1))
	w.start()
	w.knock(w.Client, w.Client.Gate4, "tcp/7001", "udp/8001", "tcp/6001")
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.ends(w.Client, "tcp", at(w.Client, 22))
	w.stop()
	name := filepath.Join(w.dir, "state", "spent", spent.FileName)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-20] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second start finds nothing damaged any more
		w.start()
		for _, n := range []string{"1", "2"} {
			w.knock(w.Client, w.Client.Gate4, "tcp/700"+n, "udp/800"+n, "tcp/600"+n)
			w.refused("used-step")
		}
		if problems := strings.Join(w.status().Problems, "\n"); !strings.Contains(problems, "every one-time sequence has been used") {
			t.Errorf("problems: %q", problems)
		}
		w.knock(w.Client, w.Client.Gate4, derived(0, sequence.OnlyTCP)...)
		w.closed(w.Client, "tcp", at(w.Client, 22))
		w.stop()
	}
}

// A client from enrolment to its next secret: the profile works, the new one
// works, and until it ends the old one does, too.
func TestRotatingClientFromTheStart(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nopen_for = \"1h\"\nsequence = [\"tcp/7000\", \"udp/8000\", \"tcp/9000\"]\n")
	w.env = []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	profile := filepath.Join(w.dir, "gate.profile")
	fetch := func(out string) {
		t.Helper()
		if err := os.WriteFile(profile, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		w.must(w.Client, "add", "--replace", profile)
	}
	opens := func(args ...string) {
		t.Helper()
		w.closed(w.Client, "tcp", at(w.Client, 22))
		w.must(w.Client, append([]string{"knock"}, args...)...)
		w.open(w.Client, "tcp", at(w.Client, 22))
		w.ends(w.Client, "tcp", at(w.Client, 22))
	}
	gate := w.Client.Gate4.String()
	fetch(w.must(w.Gate, "client", "add", "bob", "--rotating", "--door", "ssh", "--host", gate, "-c", w.config))
	if got, want := w.must(w.Client, "list"), client.SuggestName(gate)+"\t"+gate+" ssh (rotating sequences)\n"; got != want {
		t.Errorf("list says %q, want %q", got, want)
	}
	opens(client.SuggestName(gate), "--rotating")
	// Another device, which does not know that this one has knocked. Where the next
	// step has begun, it opens with that, and what knocks again is refused.
	w.eventually("another device has the same step", func() bool {
		w.must(w.Client, "add", "--replace", profile)
		w.must(w.Client, "knock", client.SuggestName(gate))
		return w.status().Refusals["used-step"] > 0
	})
	w.ends(w.Client, "tcp", at(w.Client, 22))

	// Another client, for its steps have not been used yet.
	fetch(w.must(w.Gate, "client", "add", "carol", "--rotating", "--door", "ssh", "--host", gate, "-c", w.config))
	w.must(w.Gate, "client", "rotate", "carol", "-c", w.config)
	opens(client.SuggestName(gate)) // with the old secret
	w.must(w.Gate, "client", "add", "dora", "--rotating", "--door", "ssh", "-c", w.config)
	w.must(w.Gate, "client", "rotate", "dora", "-c", w.config)
	fetch(w.must(w.Gate, "client", "profile", "dora", "--host", gate, "-c", w.config))
	opens(client.SuggestName(gate)) // with the new one
	w.must(w.Gate, "client", "add", "emil", "--rotating", "--door", "ssh", "-c", w.config)
	fetch(w.must(w.Gate, "client", "profile", "emil", "--host", gate, "-c", w.config))
	w.must(w.Gate, "client", "rotate", "emil", "--keep", "0s", "-c", w.config)
	w.must(w.Client, "knock", client.SuggestName(gate))
	w.closed(w.Client, "tcp", at(w.Client, 22))

	var rotated rotatedDoor
	if err := json.Unmarshal([]byte(w.must(w.Gate, "door", "rotate", "ssh", "--json", "-c", w.config)), &rotated); err != nil {
		t.Fatal(err)
	}
	opens(gate, "tcp/7000", "udp/8000", "tcp/9000")
	opens(append([]string{gate}, words(rotated.Sequence)...)...)
	w.must(w.Gate, "door", "rotate", "ssh", "--keep", "0s", "-c", w.config)
	w.must(w.Client, append([]string{"knock", gate}, words(rotated.Sequence)...)...)
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

// Over both families the second gets the next step, so that both are open.
func TestRotatingOverBothFamilies(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, bobsDoor)
	for _, to := range []netip.Addr{w.Client.Gate4, w.Client.Gate6} {
		w.closed(w.Client, "tcp", netip.AddrPortFrom(to, 22))
	}
	w.knock(w.Client, w.Client.Gate4, derived(0, sequence.OnlyTCP)...)
	w.knock(w.Client, w.Client.Gate6, derived(1, sequence.OnlyTCP)...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.open(w.Client, "tcp", at6(w.Client, 22))
}
