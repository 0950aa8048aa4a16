//go:build linux

package beside

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab"
)

// The image of a release, run as docs/OPERATIONS.md has it, guards a port of its
// host that leads to another one: without a right but two, with nothing to write
// to but its volumes. Stopped and run again it has kept its key and the grants.
func TestImage(t *testing.T) {
	w := newWorld(t, lab.Options{Inside: true}, "podman", "crun", "nft", "go")
	w.empty("/run")
	w.unified()
	w.greet(w.Inside, 80)
	w.run(w.Gate, "nft", `add table ip mine
		add chain ip mine pre { type nat hook prerouting priority dstnat; }
		add rule ip mine pre fib daddr type local tcp dport 8080 dnat to 203.0.113.2:80`)
	w.Open(w.Attacker, "tcp", at(w.Attacker, published))

	out, err := exec.Command("go", "-C", "../../packaging", "run", "./build", "-image", w.dir, "-version", "1.0.0").Output()
	if err != nil {
		t.Fatalf("make the image: %v", err)
	}
	archive := strings.TrimSpace(string(out))
	config := filepath.Join(w.dir, "etc")
	public, err := os.ReadFile(filepath.Join(w.dir, ".ssh", "id_ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("[spa]\nport = %d\n[[door]]\nname = \"web\"\nports = [\"tcp/8080\"]\nopen_for = \"1h\"\n[[client]]\nname = \"alice\"\nkey = %q\ndoors = [\"web\"]\n",
		spaPort, strings.TrimSpace(string(public)))
	if err := os.Mkdir(config, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(config, "sallyport.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	storage := []string{"--root", filepath.Join(w.dir, "graph"), "--runroot", "/run/containers", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"}
	podman := func(args ...string) string {
		t.Helper()
		return w.run(w.Gate, "podman", append(storage[:len(storage):len(storage)], args...)...)
	}
	id := strings.TrimSpace(podman("pull", "-q", "oci-archive:"+archive))
	start := func() {
		podman("run", "-d", "--name", "gate", "--network", "host", "--cap-drop", "all", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--read-only",
			"-v", config+":/etc/sallyport:ro", "-v", "sallyport-state:/var/lib/sallyport", "-v", "sallyport-run:/run/sallyport",
			"--cgroups", "disabled", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", id)
		w.Eventually("it runs", func() bool {
			_, err := w.try(w.Gate, "podman", append(storage[:len(storage):len(storage)], "exec", "gate", "sallyport", "status")...)
			return err == nil
		})
	}
	remove := func() { podman("rm", "-f", "-t", "5", "gate") }
	t.Cleanup(remove)
	start()
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := w.try(w.Gate, "podman", append(storage[:len(storage):len(storage)], "logs", "gate")...)
			t.Log(out)
		}
	})
	w.Closed(w.Client, "tcp", at(w.Client, published))
	profile := filepath.Join(w.dir, "gate.profile")
	if err := os.WriteFile(profile, []byte(podman("exec", "gate", "sallyport", "client", "profile", "alice", "--host", w.Client.Gate4.String())), 0o600); err != nil {
		t.Fatal(err)
	}
	w.sallyport(w.Client, "add", "--as", "gate", profile)
	w.sallyport(w.Client, "knock", "gate")
	w.Open(w.Client, "tcp", at(w.Client, published))
	w.Closed(w.Attacker, "tcp", at(w.Attacker, published))

	remove() // doors stay closed, grants stay
	w.Closed(w.Attacker, "tcp", at(w.Attacker, published))
	w.Open(w.Client, "tcp", at(w.Client, published))
	start()
	podman("exec", "gate", "sallyport", "revoke", "--all")
	w.Closed(w.Client, "tcp", at(w.Client, published))
	w.sallyport(w.Client, "knock", "gate") // with the profile of before
	w.Open(w.Client, "tcp", netip.AddrPortFrom(w.Client.Gate4, published))
}
