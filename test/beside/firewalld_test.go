//go:build linux

package beside

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab"
)

// A system bus of its own, on which everybody here may do everything.
const bus = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=SOCKET</listen><auth>EXTERNAL</auth><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
`

// firewalld is firewalld on a gate.
type firewalld struct {
	*world
	bus, config string
	end         func()
}

func newFirewalld(w *world, settings string) *firewalld {
	w.t.Helper()
	f := &firewalld{world: w, bus: filepath.Join(w.dir, "bus"), config: filepath.Join(w.dir, "firewalld")}
	path := filepath.Join(w.dir, "bus.conf")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(bus, "SOCKET", f.bus)), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.run(w.Gate, "cp", "-a", "/etc/firewalld", f.config)
	if err := os.WriteFile(filepath.Join(f.config, "firewalld.conf"), []byte("DefaultZone=public\nIndividualCalls=no\n"+settings), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.background(w.Gate, nil, "dbus-daemon", "--nofork", "--config-file="+path)
	w.Eventually("the bus is there", func() bool { _, err := os.Stat(f.bus); return err == nil })
	f.start()
	return f
}

func (f *firewalld) start() {
	f.t.Helper()
	f.end, _ = f.background(f.Gate, []string{f.address()}, "firewalld", "--nofork", "--nopid", "--system-config", f.config,
		"--log-target=console")
	f.Eventually("firewalld runs", func() bool { _, err := f.cmd("--state"); return err == nil })
}

func (f *firewalld) address() string { return "DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + f.bus }

func (f *firewalld) cmd(args ...string) (string, error) {
	return f.try(f.Gate, "env", append([]string{f.address(), "firewall-cmd"}, args...)...)
}

func (f *firewalld) must(args ...string) {
	f.t.Helper()
	if out, err := f.cmd(args...); err != nil {
		f.t.Fatalf("firewall-cmd %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// firewalld with what its administrator is expected to allow: the doors, from
// everywhere. A reload takes its rules away for a moment, or, with
// FlushAllOnReload, everybody's.
func TestFirewalld(t *testing.T) {
	for name, settings := range map[string]string{"own": "FlushAllOnReload=no\n", "all": "FlushAllOnReload=yes\n"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, lab.Options{Inside: true}, "firewalld", "firewall-cmd", "dbus-daemon", "nft")
			w.greet(w.Gate, door, forgotten, public, forbidden)
			w.greet(w.Inside, 80)
			f := newFirewalld(w, settings)
			for _, rule := range []string{
				"--add-port=22/tcp", "--add-port=80/tcp", "--add-masquerade",
				"--add-forward-port=port=8080:proto=tcp:toport=80:toaddr=" + w.Inside.IP4.String(),
			} {
				f.must("--permanent", rule)
			}
			for _, link := range []string{"to-client", "to-attacker", "to-inside"} {
				f.must("--permanent", "--zone=public", "--add-interface="+link)
			}
			f.must("--permanent", "--remove-service=ssh")
			f.must("--reload")
			w.beside(neighbour{name: "firewalld", filters: true, publish: true, six: true, behind: w.inside, upheavals: []upheaval{
				{name: "reload", do: func() { f.must("--reload") }},
				{name: "complete reload", do: func() { f.must("--complete-reload") }},
				{name: "stop", do: func() { f.end() }, off: true},
				{name: "start", do: f.start},
				{name: "reset to what is permanent", do: func() { f.must("--add-port=9/tcp"); f.must("--reload") }},
				{name: "flush ruleset", do: func() { w.run(w.Gate, "nft", "flush", "ruleset") }, off: true},
				{name: "restart after that", do: func() { f.end(); f.start() }}, // a reload fails: it misses its table
			}})
		})
	}
}
