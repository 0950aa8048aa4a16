//go:build linux

package beside

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
)

// rcCommon is a double of OpenWrt's /etc/rc.common, as far as its documentation
// describes what a service uses: it runs one instance, and restarts nothing.
const rcCommon = `#!/bin/sh
initscript=$1
action=${2:-help}
. "$initscript"
[ "$USE_PROCD" = 1 ] || { echo "not for procd" >&2; exit 1; }
pidfile=/var/run/instance.pid
procd_open_instance() { command=; environment=; }
procd_set_param() {
	what=$1; shift
	case $what in
	command) command="$*" ;;
	env) environment="$*" ;;
	respawn) [ $# = 3 ] || exit 1 ;;
	stdout | stderr) [ "$1" = 1 ] || exit 1 ;;
	*) echo "procd does not know $what" >&2; exit 1 ;;
	esac
}
procd_close_instance() {
	env $environment $command >>/var/log.txt 2>&1 </dev/null &
	echo $! >$pidfile
}
case $action in
start | boot) start_service ;;
stop)
	pid=$(cat $pidfile) && kill $pid || exit 1
	while kill -0 $pid 2>/dev/null; do sleep 0.1; done
	;;
reload) reload_service ;;
*) exit 1 ;;
esac
`

// router is the gate as a root of OpenWrt: its shell and tools are busybox's, and
// /var is in memory.
type router struct {
	*world
	root string
}

func newRouter(w *world) *router {
	w.t.Helper()
	r := &router{w, filepath.Join(w.dir, "root")}
	for _, dir := range []string{"bin", "usr/bin", "etc/init.d", "etc/sallyport", "tmp", "dev", "proc", "lib"} {
		if err := os.MkdirAll(filepath.Join(r.root, dir), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	w.run(w.Gate, "cp", "/bin/busybox", filepath.Join(r.root, "bin"))
	for _, name := range []string{"sh", "mkdir", "ln", "cat", "kill", "sleep", "env", "echo", "chmod"} {
		r.link("busybox", "bin/"+name)
	}
	r.link("tmp", "var") // OpenWrt has nothing else there
	w.run(w.Gate, "cp", w.served.Executable, filepath.Join(r.root, "usr/bin/sallyport"))
	w.run(w.Gate, "cp", "../../packaging/service/procd", filepath.Join(r.root, "etc/init.d/sallyport"))
	r.write("etc/rc.common", rcCommon)
	w.mount("/proc", filepath.Join(r.root, "proc"), "", unix.MS_BIND|unix.MS_REC)
	w.mount("/dev", filepath.Join(r.root, "dev"), "", unix.MS_BIND|unix.MS_REC)
	r.boot()
	return r
}

// boot empties what is in memory.
func (r *router) boot() {
	r.t.Helper()
	r.mount("none", filepath.Join(r.root, "tmp"), "tmpfs", 0)
}

func (r *router) link(to, name string) {
	r.t.Helper()
	if err := os.Symlink(to, filepath.Join(r.root, name)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *router) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.root, name), []byte(text), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

// within runs a program in the root, with nothing of our environment.
func (r *router) within(words ...string) (string, error) {
	return r.try(r.Gate, "env", append([]string{"-i", "PATH=/usr/bin:/bin:/usr/sbin", "chroot", r.root}, words...)...)
}

// inside is within for what must succeed.
func (r *router) inside(words ...string) string {
	r.t.Helper()
	out, err := r.within(words...)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return out
}

func (r *router) service(action string) {
	r.t.Helper()
	r.inside("/bin/sh", "/etc/rc.common", "/etc/init.d/sallyport", action)
}

// The service for procd starts, reloads and stops the daemon in a root like
// OpenWrt's; and what the daemon must not forget outlives a reboot, which empties
// /var there.
func TestOpenWrtService(t *testing.T) {
	w := newWorld(t, lab.Options{}, "busybox", "chroot", "env")
	r := newRouter(w)
	w.greet(w.Gate, door)
	r.inside("/bin/sh", "-n", "/etc/init.d/sallyport")
	public, err := os.ReadFile(filepath.Join(w.dir, ".ssh", "id_ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	r.write("etc/sallyport/sallyport.toml", fmt.Sprintf("[journal]\npath = \"/tmp/sallyport.db\"\nmax_size = \"16MiB\"\n[spa]\nport = %d\n[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nopen_for = \"1h\"\n"+
		"[[client]]\nname = \"alice\"\nkey = %q\ndoors = [\"ssh\"]\n", spaPort, strings.TrimSpace(string(public))))
	if err := os.Chmod(filepath.Join(r.root, "etc/sallyport/sallyport.toml"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			_, _ = r.within("/bin/sh", "/etc/rc.common", "/etc/init.d/sallyport", "stop") // if it runs
			text, _ := os.ReadFile(filepath.Join(r.root, "tmp/log.txt"))
			t.Logf("the daemon's log:\n%s", text)
		}
	})
	start := func() {
		t.Helper()
		r.service("start")
		w.Eventually("it runs", func() bool {
			_, err := r.within("/usr/bin/sallyport", "status")
			return err == nil
		})
	}
	start()
	w.Closed(w.Client, "tcp", at(w.Client, door))
	profile := filepath.Join(w.dir, "gate.profile")
	if err := os.WriteFile(profile, []byte(r.inside("/usr/bin/sallyport", "client", "profile", "alice", "--host", w.Client.Gate4.String())), 0o600); err != nil {
		t.Fatal(err)
	}
	w.sallyport(w.Client, "add", "--as", "gate", profile)
	knocks := func() {
		t.Helper()
		w.Opens(w.Client, "tcp", at(w.Client, door), func() { w.sallyport(w.Client, "knock", "gate") },
			func() { r.inside("/usr/bin/sallyport", "revoke", "--all") })
	}
	knocks()
	r.service("reload")
	knocks()
	r.service("stop")
	w.Closed(w.Client, "tcp", at(w.Client, door))

	r.boot() // with the same key, or no profile would fit any more
	start()
	knocks()
	r.service("stop")
}
