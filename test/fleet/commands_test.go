//go:build linux

package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/lab/etcd"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/served"
)

// newBareWorld starts etcd without users, and gates that stand alone.
func newBareWorld(t *testing.T, names ...string) *world {
	t.Helper()
	needs(t)
	path, err := executable()
	must(t, err)
	w := &world{Lab: labtest.New(t, lab.Options{More: names}), Ports: labtest.Ports{T: t}, t: t, dir: t.TempDir()}
	w.etcd, err = etcd.Start(etcd.Options{Host: w.Gate, Address: w.Gate.IP4, Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { _ = w.etcd.Close() })
	for _, h := range w.More {
		dir := t.TempDir()
		g := &gate{Host: h, w: w, log: &log{}}
		g.served = served.Options{Gate: h, Executable: path, Dir: dir, Config: filepath.Join(dir, "sallyport.toml"), Log: g.log}
		text := fmt.Sprintf("[daemon]\nstate_dir = %q\nsocket = %q\n[gate]\nname = %q\n[spa]\nport = %d\n[[door]]\nname = \"hello\"\nports = [\"tcp/%d\"]\nopen_for = \"5m\"\n",
			g.served.State(), filepath.Join(dir, "control.sock"), h.Name, spaPort, door)
		must(t, os.WriteFile(g.served.Config, []byte(text), 0o600))
		w.gates = append(w.gates, g)
		g.start()
		t.Cleanup(func() {
			g.kill()
			if t.Failed() {
				t.Logf("the log of gate %s:\n%s", g.Name, g.log)
			}
		})
		_, err := g.Greet(netip.AddrPortFrom(netip.IPv6Unspecified(), door))
		must(t, err)
	}
	return w
}

// as runs a command of sallyport with a home of its own, which must succeed.
func (w *world) as(home string, h *lab.Host, args ...string) string {
	w.t.Helper()
	other := *w
	other.dir = home
	return other.sallyport(h, args...)
}

// makeUsers does what "fleet etcd-commands" prints, but for the certificates.
func (w *world) makeUsers(printed string) {
	w.t.Helper()
	root, err := w.etcd.Files("root")
	must(w.t, err)
	flags := fmt.Sprintf("etcdctl --endpoints %s --cacert %s --cert %s --key %s ", strings.Join(w.etcd.Endpoints(), ","), root.CA, root.Cert, root.Key)
	for line := range strings.Lines(strings.ReplaceAll(printed, "OPERATOR", "alice")) {
		if !strings.HasPrefix(line, "etcdctl ") {
			continue
		}
		cmd := w.Gate.Command(context.Background(), "sh", "-c", strings.ReplaceAll(line, "etcdctl ", flags))
		cmd.Env = append(os.Environ(), "ETCDCTL_API=3")
		if out, err := cmd.CombinedOutput(); err != nil {
			w.t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
}

// joins has an operator invite a gate, the gate join, and the operator approve it.
func (w *world) joins(operator string, g *gate) {
	w.t.Helper()
	out := w.as(operator, w.Attacker, "fleet", "invite", g.Name) // beside what it says to people
	invitation := strings.TrimSpace(out[max(strings.Index(out, "sallyport-fleet-"), 0):])
	id, err := w.etcd.Files(g.Name)
	must(w.t, err)
	joined := make(chan string, 1)
	go func() {
		out, err := g.try("fleet", "join", invitation, "-c", g.served.Config, "--yes", "--address", g.IP4.String(), "--cert", id.Cert, "--key", id.Key, "--wait", "50s")
		if err == nil {
			out = ""
		}
		joined <- out
	}()
	other := *w
	other.dir = operator
	approved := false
	for deadline := time.Now().Add(labtest.Patience); !approved; time.Sleep(50 * time.Millisecond) {
		out, err := other.try(w.Attacker, "fleet", "approve", g.Name, "--yes")
		if approved = err == nil; !approved && time.Now().After(deadline) {
			w.t.Fatalf("approve %s: %v\n%s\njoin: %s", g.Name, err, out, <-joined)
		}
	}
	if out := <-joined; out != "" {
		w.t.Fatalf("join %s: %s", g.Name, out)
	}
	g.restart()
}

// The steps of docs/FLEET.md make a fleet out of three gates, and what it says of
// enrolling and revoking is so.
func TestTenMinutes(t *testing.T) {
	w := newBareWorld(t, "berlin", "paris", "tokyo")
	operator := t.TempDir()
	w.makeUsers(w.as(operator, w.Attacker, "fleet", "etcd-commands", "berlin", "paris", "tokyo"))
	w.as(operator, w.Attacker, "keygen", "--no-passphrase")
	alice, err := w.etcd.Files("alice")
	must(t, err)
	args := []string{"fleet", "init", "--operator", "alice", "--allow-software-key", "--yes", "--ca", alice.CA, "--cert", alice.Cert, "--key", alice.Key}
	for _, e := range w.etcd.Endpoints() {
		args = append(args, "--endpoint", e)
	}
	w.as(operator, w.Attacker, args...)
	for _, g := range w.gates {
		w.joins(operator, g)
	}

	w.sallyport(w.Client, "keygen", "--no-passphrase")
	profiles := filepath.Join(t.TempDir(), "carol")
	w.as(operator, w.Attacker, "client", "add", "carol", "--fleet", "--key", filepath.Join(w.dir, ".ssh", "id_ed25519.pub"), "--door", "hello", "--profiles", profiles)
	for _, g := range w.gates {
		w.sallyport(w.Client, "add", "--as", g.Name, filepath.Join(profiles, g.Name+".profile"))
		g.opens()
	}
	out := w.as(operator, w.Attacker, "fleet", "status")
	for _, part := range []string{"berlin", "paris", "tokyo", "alice"} {
		if !strings.Contains(out, part) {
			t.Errorf("fleet status does not name %s:\n%s", part, out)
		}
	}

	berlin := w.gates[0]
	var sessions []held
	for _, g := range w.gates {
		sessions = append(sessions, held{g, newHeartbeat(g.session())})
	}
	if out, err := berlin.try("revoke", "--client", "carol", "--fleet", "-c", berlin.served.Config); err != nil {
		t.Errorf("revoke: %v\n%s", err, out)
	}
	for i, g := range w.gates {
		w.Closes(w.Client, "tcp", g.at())
		sessions[i].ends(w)
		g.refuses()
	}
	w.as(operator, w.Attacker, "revoke", "--client", "carol", "--fleet", "--lift")
	for _, g := range w.gates {
		g.opens()
	}
	w.as(operator, w.Attacker, "client", "remove", "carol", "--fleet")
	for _, g := range w.gates {
		w.Closes(w.Client, "tcp", g.at())
		g.refuses()
	}
	w.bansOnce()
}

// bansOnce bans a source at one gate for all, and lifts the ban at another.
func (w *world) bansOnce() {
	w.t.Helper()
	source := w.Attacker.IP4.String()
	order := func(g *gate, verb string, more ...string) {
		w.t.Helper()
		if out, err := g.try(append([]string{"ban", verb, source, "--fleet", "-c", g.served.Config}, more...)...); err != nil {
			w.t.Errorf("ban %s at %s: %v\n%s", verb, g.Name, err, out)
		}
	}
	banned := func(g *gate) bool {
		out, err := g.try("ban", "list", "-c", g.served.Config)
		return err == nil && strings.Contains(out, source)
	}
	order(w.gates[0], "add", "--for", "24h")
	for _, g := range w.gates {
		w.Eventually("the source is banned at "+g.Name, func() bool { return banned(g) })
	}
	order(w.gates[2], "remove")
	for _, g := range w.gates {
		w.Eventually("the source is banned no more at "+g.Name, func() bool { return !banned(g) })
	}
}

// held is a session that is in use.
type held struct {
	*gate
	beat *heartbeat
}

// ends waits until nothing comes back.
func (h held) ends(w *world) {
	w.Eventually("the session at "+h.Name+" is cut", func() bool {
		return time.Since(time.Unix(0, h.beat.last.Load())) > labtest.Silence
	})
}
