//go:build linux && !client_only

package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/fwknop"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

const fwknopPort = 62201

// fwknopWorld is a world whose ssh door opens to clients of fwknop's, one for each
// hash. Their keys are test vectors.
type fwknopWorld struct{ *world }

func newFwknopWorld(t *testing.T, settings string) fwknopWorld {
	t.Helper()
	labtest.Need(t, "peers", "fwknop")
	w := fwknopWorld{newWorld(t, lab.Options{})}
	w.serve("tcp", 22)
	var b strings.Builder
	fmt.Fprintf(&b, "[gate]\npolicy = \"all\"\n[spa]\nfwknop_port = %d\n%s\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nopen_for = \"1h\"\n[[door]]\nname = \"db\"\nports = [\"tcp/5432\"]\n", fwknopPort, settings)
	for i, digest := range fwknop.Digests() {
		fmt.Fprintf(&b, "[[client]]\nname = %q\ndoors = [\"ssh\"]\nfwknop = { key = \"a test vector %d\", hmac = \"another one %d\", digest = %q, mode = %q }\n", "c-"+digest, i, i, digest, fwknop.Modes()[i%len(fwknop.Modes())])
	}
	w.configure(b.String())
	w.start()
	return w
}

// fwknop runs the real client, and keeps the packet that it sends.
func (w fwknopWorld) fwknop(h *lab.Host, i int, more ...string) []byte {
	w.t.Helper()
	digests, modes := fwknop.Digests(), fwknop.Modes()
	file := filepath.Join(w.t.TempDir(), "packet")
	args := append([]string{"--no-home-dir", "--no-rc-file", "--use-hmac", "-E", file + ".args", "-B", file, "-D", w.Client.Gate4.String(),
		"--key-rijndael", fmt.Sprintf("a test vector %d", i), "--key-hmac", fmt.Sprintf("another one %d", i), "--hmac-digest-type", digests[i], "-m", digests[i], "-M", string(modes[i%len(modes)])}, more...)
	cmd := h.Command(w.t.Context(), "fwknop", args...)
	cmd.Env = append(os.Environ(), "HOME="+w.t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("fwknop %q: %v\n%s", args, err, out)
	}
	packet, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	return []byte(strings.TrimSpace(string(packet)))
}

func (w fwknopWorld) resend(h *lab.Host, packet []byte) {
	w.t.Helper()
	conn, err := h.Dial(w.t.Context(), "udp", netip.AddrPortFrom(h.Gate4, fwknopPort).String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(packet); err != nil {
		w.t.Fatal(err)
	}
}

// refused waits until there have been so many refusals for a reason.
func (w fwknopWorld) refused(reason event.Reason, n uint64) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d refusals: %s", n, reason), func() bool { return w.status().Refusals[reason] == n })
}

// The client that Debian has opens a door, with each of its hashes and modes,
// and with each way to say from where.
func TestFwknopClientOpens(t *testing.T) {
	t.Parallel()
	w := newFwknopWorld(t, "")
	door := at(w.Client, 22)
	for i := range fwknop.Digests() {
		source := []string{"-a", w.Client.IP4.String()}
		if i%2 == 1 {
			source = []string{"-s"} // 0.0.0.0: from where it comes
		}
		w.opens(w.Client, "tcp", door, func() { w.fwknop(w.Client, i, append(source, "-A", "tcp/22")...) })
	}
	out := w.must(w.Gate, "events", "-c", w.config, "--json", "--kind", "grant")
	if n := strings.Count(out, `"fwknop"`); n != len(fwknop.Digests()) {
		t.Errorf("%d grants by fwknop:\n%s", n, out)
	}
}

// What must not open does not, and says why.
func TestFwknopClientIsRefused(t *testing.T) {
	t.Parallel()
	w := newFwknopWorld(t, "")
	door := at(w.Client, 22)
	own := w.Client.IP4.String()
	for _, c := range []struct {
		name   string
		args   []string
		reason event.Reason
	}{
		{"another address inside", []string{"-a", w.Attacker.IP4.String(), "-A", "tcp/22"}, event.WrongAddress},
		{"another's door", []string{"-a", own, "-A", "tcp/22,tcp/5432"}, event.ForbiddenDoor},
		{"no door", []string{"-a", own, "-A", "tcp/23"}, event.UnknownDoor},
		{"clock behind", []string{"-a", own, "-A", "tcp/22", "--time-offset-minus", "3M"}, event.StaleTime},
		{"clock ahead", []string{"-a", own, "-A", "tcp/22", "--time-offset-plus", "3M"}, event.StaleTime},
		{"address translation", []string{"-a", own, "-A", "tcp/22", "-N", "192.168.10.3:22"}, event.FwknopTooMuch},
		{"another's HMAC", []string{"-a", own, "-A", "tcp/22", "--key-hmac", "of a stranger"}, event.NoFwknopKey},
		{"another's key", []string{"-a", own, "-A", "tcp/22", "--key-rijndael", "of a stranger"}, event.BadFwknop},
	} {
		before := w.status().Refusals[c.reason]
		w.fwknop(w.Client, 3, c.args...)
		w.refused(c.reason, before+1)
		w.closed(w.Client, "tcp", door)
		w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	}
	w.fwknop(w.Client, 3, "-a", own, "-A", "tcp/22", "--time-offset-minus", "90")
	w.open(w.Client, "tcp", door)
}

// A packet opens once, also after the daemon was killed.
func TestFwknopReplay(t *testing.T) {
	t.Parallel()
	w := newFwknopWorld(t, "")
	door := at(w.Client, 22)
	var packet []byte
	w.opens(w.Client, "tcp", door, func() { packet = w.fwknop(w.Client, 3, "-s", "-A", "tcp/22") })
	w.resend(w.Client, packet)
	w.refused(event.Replayed, 1)
	w.resend(w.Attacker, packet)
	w.refused(event.Intercepted, 1)
	w.closed(w.Client, "tcp", door)
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	w.kill()
	w.start()
	w.resend(w.Client, packet)
	w.refused(event.Replayed, 1)
	w.closed(w.Client, "tcp", door)
}

// With the switch, a packet lets in the address that it names, and not the one it
// comes from.
func TestFwknopOtherSource(t *testing.T) {
	t.Parallel()
	w := newFwknopWorld(t, "fwknop_other_source = true")
	w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
	w.fwknop(w.Client, 3, "-a", w.Attacker.IP4.String(), "-A", "tcp/22")
	w.open(w.Attacker, "tcp", at(w.Attacker, 22))
	w.closed(w.Client, "tcp", at(w.Client, 22))
}

// What import makes of an access.conf works with the client as it was.
func TestImportedFwknopClientOpens(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "fwknop")
	w := fwknopWorld{newWorld(t, lab.Options{})}
	w.serve("tcp", 22)
	file := filepath.Join(w.dir, "access.conf")
	access := fmt.Sprintf("SOURCE ANY\nOPEN_PORTS tcp/22\nKEY a test vector 3\nHMAC_KEY another one 3\nHMAC_DIGEST_TYPE %s\nENCRYPTION_MODE %s\nFW_ACCESS_TIMEOUT 1\nREQUIRE_SOURCE_ADDRESS Y\n",
		strings.ToUpper(fwknop.Digests()[3]), strings.ToUpper(string(fwknop.Modes()[3])))
	if err := os.WriteFile(file, []byte(access), 0o600); err != nil {
		t.Fatal(err)
	}
	w.configure(w.must(w.Gate, "import", "fwknop", file))
	w.start()
	door := at(w.Client, 22)
	w.closed(w.Client, "tcp", door)
	w.fwknop(w.Client, 3, "-s", "-A", "tcp/22") // REQUIRE_SOURCE_ADDRESS
	w.refused(event.WrongAddress, 1)
	w.expires(w.Client, "tcp", door, func() { w.fwknop(w.Client, 3, "-a", w.Client.IP4.String(), "-A", "tcp/22") })
}

// The port answers as every other closed one does: not at all, to good packets and bad.
func TestFwknopPortIsDark(t *testing.T) {
	t.Parallel()
	w := newFwknopWorld(t, "")
	conn, err := w.Client.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	packet := w.fwknop(w.Attacker, 3, "-s", "-A", "tcp/22")
	for _, port := range []uint16{fwknopPort, fwknopPort + 1} {
		to := netip.AddrPortFrom(w.Client.Gate4, port)
		if a := w.probe(w.Client, "udp", to); a != lab.Silent {
			t.Errorf("port %d: %v", port, a)
		}
	}
	w.resend(w.Client, packet)
	if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, from, err := conn.ReadFrom(make([]byte, 2000)); err == nil {
		t.Errorf("%d bytes from %v", n, from)
	}
	if out, err := w.Gate.Command(t.Context(), "cat", "/proc/net/udp", "/proc/net/udp6").Output(); err != nil || strings.Contains(string(out), fmt.Sprintf(":%04X ", fwknopPort)) {
		t.Errorf("a socket is bound: %v\n%s", err, out)
	}
}
