//go:build linux

package beside

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/lab"
)

// root makes a folder with what a container needs: one static program.
func (w *world) root() string {
	w.t.Helper()
	root := filepath.Join(w.dir, "root")
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.run(w.Gate, "cp", "/bin/busybox", filepath.Join(root, "bin"))
	for _, name := range []string{"sh", "httpd", "nc"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil {
			w.t.Fatal(err)
		}
	}
	return root
}

// serving is the command line of a container's service on port 80.
var serving = []string{"/bin/httpd", "-f", "-p", "80", "-h", "/bin"}

func calling(to netip.AddrPort) []string {
	return []string{"/bin/nc", "-w", "5", to.Addr().String(), netip.AddrPort.String(to)[len(to.Addr().String())+1:]}
}

// Docker publishes a port, and hides its containers. Its daemon lays its rules
// again at each start.
func TestDocker(t *testing.T) {
	w := newWorld(t, lab.Options{}, "dockerd", "docker", "containerd", "iptables-nft", "busybox", "nft", "tar")
	w.forward()
	w.greet(w.Gate, door, forgotten, public)
	w.empty("/run")
	socket := "unix://" + filepath.Join(w.dir, "docker.sock")
	docker := func(args ...string) { t.Helper(); w.run(w.Gate, "docker", append([]string{"-H", socket}, args...)...) }
	var end func()
	start := func() {
		end, _ = w.background(w.Gate, nil, "dockerd", "-H", socket, "--data-root", filepath.Join(w.dir, "docker"), "--exec-root", "/run/docker",
			"--pidfile", "/run/docker.pid", "--storage-driver", "vfs", "--log-level", "error")
		w.Eventually("dockerd runs", func() bool { _, err := w.try(w.Gate, "docker", "-H", socket, "info"); return err == nil })
	}
	start()
	tarball := filepath.Join(w.dir, "root.tar")
	w.run(w.Gate, "tar", "-C", w.root(), "-cf", tarball, ".")
	docker("import", tarball, "box")
	docker(append([]string{"run", "-d", "--name", "web", "--restart", "always", "--stop-signal", "KILL", "-p", "8080:80", "box"}, serving...)...)
	behind := func(to netip.AddrPort) { docker(append([]string{"run", "--rm", "box"}, calling(to)...)...) }
	w.Open(w.Attacker, "tcp", at(w.Attacker, published)) // what Docker does when nobody guards it
	w.beside(neighbour{name: "Docker", publish: true, behind: behind, upheavals: []upheaval{
		{name: "restart of the container", do: func() { docker("restart", "web") }},
		{name: "restart", do: func() { end(); start() }},
		{name: "another network", do: func() { docker("network", "create", "more"); docker("network", "rm", "more") }},
		{name: "flush ruleset", do: func() { w.run(w.Gate, "nft", "flush", "ruleset") }, off: true},
		{name: "restart after that", do: func() { end(); start() }},
	}})
	docker("rm", "-f", "web")
}

// Podman publishes by netavark, which has no daemon.
func TestPodman(t *testing.T) {
	w := newWorld(t, lab.Options{}, "podman", "crun", "iptables-nft", "busybox", "nft", "tar")
	w.forward()
	w.greet(w.Gate, door, forgotten, public)
	w.empty("/run")
	w.unified()
	storage := []string{"--root", filepath.Join(w.dir, "graph"), "--runroot", "/run/containers", "--storage-driver", "vfs",
		"--network-backend", "netavark", "--cgroup-manager", "cgroupfs", "--log-level", "error"}
	podman := func(args ...string) {
		t.Helper()
		w.run(w.Gate, "podman", append(storage[:len(storage):len(storage)], args...)...)
	}
	tarball := filepath.Join(w.dir, "root.tar")
	w.run(w.Gate, "tar", "-C", w.root(), "-cf", tarball, ".")
	podman("import", tarball, "localhost/box")
	// Limits within those that this machine may have been given.
	run := []string{"run", "--cgroups", "disabled", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"}
	podman(append(append(run[:len(run):len(run)], "-d", "--name", "web", "--stop-signal", "KILL", "-p", "8080:80", "localhost/box"), serving...)...)
	t.Cleanup(func() { podman("rm", "-f", "-t", "0", "web") })
	behind := func(to netip.AddrPort) {
		podman(append(append(run[:len(run):len(run)], "--rm", "localhost/box"), calling(to)...)...)
	}
	w.Open(w.Attacker, "tcp", at(w.Attacker, published))
	w.beside(neighbour{name: "Podman", publish: true, behind: behind, upheavals: []upheaval{
		{name: "restart of the container", do: func() { podman("restart", "-t", "0", "web") }},
		{name: "network reload", do: func() { podman("network", "reload", "--all") }},
		{name: "flush ruleset", do: func() { w.run(w.Gate, "nft", "flush", "ruleset") }, off: true},
		{name: "network reload after that", do: func() { podman("network", "reload", "--all") }},
	}})
}

// forward makes the gate a router.
func (w *world) forward() {
	w.t.Helper()
	if err := w.Forward(); err != nil {
		w.t.Fatal(err)
	}
}

// unified lays the newer control groups over older ones: crun wants either.
func (w *world) unified() {
	w.t.Helper()
	w.mount("none", "/sys/fs/cgroup", "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
}
