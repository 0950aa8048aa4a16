//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
)

const journaledDoor = `
[[door]]
name = "ssh"
ports = ["tcp/22"]
open_for = "1h"
sequence = ["tcp/7000", "udp/8000", "tcp/9000"]
`

// journaled waits until the journal has it.
func (w *world) journaled(want string, args ...string) {
	w.t.Helper()
	var out string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		// A fresh file is not there at once.
		var errs string
		out, errs, _ = w.run(w.Gate, append([]string{"events", "-c", w.config}, args...)...)
		if out += errs; strings.Contains(out, want) {
			return
		}
	}
	w.t.Fatalf("the journal does not have %q:\n%s", want, out)
}

// A grant, the connection that used it and its end, with the daemon killed in
// between: it is all there, and nobody has changed it.
func TestJournalOfADay(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, journaledDoor)
	w.journaled("1 door closed", "--kind", "start")
	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", w.Client.IP4.String())
	w.journaled("operator", "--kind", "grant", "--source", w.Client.IP4.String())
	w.connect(w.Client, at(w.Client, 22))
	w.journaled("first connection, to tcp/22", "--kind", "use", "--source", w.Client.IP4.String())
	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", w.Attacker.IP4.String(), "--for", "1s")
	w.journaled("expiry", "--door", "ssh")
	w.must(w.Gate, "reload", "-c", w.config)
	w.journaled("1 door", "--kind", "reload")
	w.kill()
	w.journaled("first connection, to tcp/22") // nobody needs the daemon to read
	why := w.must(w.Gate, "why", w.Client.IP4.String(), "-c", w.config)
	if !strings.Contains(why, "The daemon does not answer") || !strings.Contains(why, `opened door "ssh"`) {
		t.Errorf("why says\n%s", why)
	}
	w.start()
	if status := w.stop(); status != 0 {
		t.Fatalf("status %d", status)
	}
	w.journaled("doors stay closed", "--kind", "stop")
	if out := w.must(w.Gate, "events", "verify", "-c", w.config); !strings.Contains(out, "0 outside of the chain") {
		t.Errorf("verify says\n%s", out)
	}
}

// Whatever becomes of the journal, doors open and close.
func TestGateGoesOnWithoutItsJournal(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, journaledDoor)
	file := filepath.Join(w.dir, "state", "journal.db")
	w.journaled("door closed")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", w.Client.IP4.String())
	w.journaled("removed or replaced while in use", "--kind", "failure")
	w.journaled("operator", "--kind", "grant")

	// A folder in its place cannot be written at all.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(strings.Join(w.status().Problems, "\n"), "journal cannot be written"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the status tells no problem: %q", w.status().Problems)
		}
	}
	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", w.Client.IP4.String())
	w.open(w.Client, "tcp", at(w.Client, 22))
	if status := w.stop(); status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestEventsFollow(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, journaledDoor)
	w.journaled("door closed")
	out := &lockedBuffer{}
	follow := w.sallyport(w.Gate, "events", "-f", "-c", w.config)
	follow.Stdout, follow.Stderr = out, out
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		follow.Process.Signal(os.Interrupt)
		if err := follow.Wait(); err != nil {
			t.Errorf("events -f ended with %v", err)
		}
	}()
	seen := func(want string, times int) {
		t.Helper()
		for deadline := time.Now().Add(patience); strings.Count(out.String(), want) < times; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no %q:\n%s", want, out)
			}
		}
	}
	seen("door closed", 1)
	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", w.Client.IP4.String())
	seen("operator", 1)
	if err := os.Remove(filepath.Join(w.dir, "state", "journal.db")); err != nil {
		t.Fatal(err)
	}
	w.must(w.Gate, "open", "ssh", "-c", w.config, "--source", w.Client.IP4.String())
	seen("removed or replaced", 1)
	seen("operator", 2)
}

// What changes keys and configuration is in the journal, too.
func TestChangesAreJournaled(t *testing.T) {
	t.Parallel()
	w := newSPAWorld(t, "")
	w.must(w.Gate, "server-key", "rotate", "-c", w.config)
	w.must(w.Gate, "reload", "-c", w.config)
	w.journaled("the server key is ", "--kind", "key")
	w.journaled("1 client", "--kind", "reload")
	socket, file := w.socket, filepath.Join(w.dir, "state", "journal.db")
	text := "[daemon]\nsocket = \"" + socket + "\"\n[journal]\npath = \"" + file + "\"\n"
	if err := os.WriteFile(w.config, []byte(text+"nonsense = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, status := w.run(w.Gate, "reload", "-c", w.config); status == 0 {
		t.Error("nonsense was applied")
	}
	w.journaled("the old configuration goes on", "--kind", "failure") // read with the broken configuration
}

// Nobody reads the daemon's log, and what is behind its standard error is full:
// doors open and close, and the journal has it all.
func TestGateGoesOnWithoutItsLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.serve("tcp", 22)
	w.configure(journaledDoor)
	fifo := filepath.Join(w.dir, "log")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(fifo, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for err == nil {
		_, err = unix.Write(fd, make([]byte, 4096))
	}
	for err = nil; err == nil; { // the last bytes
		_, err = unix.Write(fd, []byte{0})
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.command = []string{"sh", "-c", `exec "$0" serve -c "$1" 2>"$2"`, self, w.config, fifo}
	w.start()
	w.closed(w.Client, "tcp", at(w.Client, 22))
	w.knock(w.Client, w.Client.Gate4, "tcp/7000", "udp/8000", "tcp/9000")
	w.open(w.Client, "tcp", at(w.Client, 22))
	w.ends(w.Client, "tcp", at(w.Client, 22))
	w.journaled("first connection, to tcp/22", "--kind", "use")
	if status := w.stop(); status != 0 {
		t.Errorf("status %d", status)
	}
}
