//go:build linux && !client_only

package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/client"
	"sallyport/internal/keyfile"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/sequence"
)

// emulators run the clients of releases that this processor cannot run itself.
var emulators = map[string]string{
	"linux_386":     "",
	"linux_arm64":   "qemu-aarch64-static",
	"linux_armv5":   "qemu-arm-static",
	"linux_armv6":   "qemu-arm-static",
	"linux_armv7":   "qemu-arm-static",
	"linux_mips":    "qemu-mips-static",
	"linux_mipsle":  "qemu-mipsel-static",
	"linux_ppc64le": "qemu-ppc64le-static",
	"linux_riscv64": "qemu-riscv64-static",
	"linux_s390x":   "qemu-s390x-static",
}

// foreignClients in the environment names what TestForeignClients tries, with
// spaces between. Without it that is the one that differs most, of 32 bits with the
// bytes the other way round and no floating point, and with SALLYPORT_LONG all.
const foreignClients = "SALLYPORT_FOREIGN_CLIENTS"

// The clients of a release, for other orders of bytes, word lengths and no floating
// point, get in by each way there is at a gate of this processor.
func TestForeignClients(t *testing.T) {
	t.Parallel()
	if !labtest.Long() {
		t.Skip("builds a client for each processor: ask for it with SALLYPORT_LONG=1")
	}
	labtest.Need(t, "peers", "go")
	targets := strings.Fields(os.Getenv(foreignClients))
	switch {
	case len(targets) > 0:
	case os.Getenv("SALLYPORT_LONG") != "":
		targets = slices.Sorted(maps.Keys(emulators))
	default:
		targets = []string{"linux_mips"}
	}
	for _, target := range targets {
		emulator, known := emulators[target]
		if !known {
			t.Fatalf("%s names the target %q, which there is not", foreignClients, target)
		}
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			if emulator != "" {
				labtest.Need(t, "peers", emulator)
			}
			newForeign(t, target, emulator).tries()
		})
	}
}

// foreign is a world whose client is a program for another processor.
type foreign struct {
	*world
	home    string
	program []string
}

// newForeign builds the client as its archive has it.
func newForeign(t *testing.T, target, emulator string) foreign {
	t.Helper()
	admit(t)
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "-C", "../../packaging", "run", "./build", "-version", "0.0.0", "-clients", dir, target)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the client: %v\n%s", err, out)
	}
	f := foreign{world: newWorld(t, lab.Options{}), home: t.TempDir(), program: []string{filepath.Join(dir, target)}}
	if emulator != "" {
		f.program = append([]string{emulator}, f.program...)
	}
	return f
}

// client runs the foreign program, which must succeed.
func (f foreign) client(args ...string) string {
	f.t.Helper()
	args = append(f.program[1:len(f.program):len(f.program)], args...)
	cmd := f.Client.Command(f.t.Context(), f.program[0], args...)
	cmd.Env = append(os.Environ(), "HOME="+f.home, "XDG_CONFIG_HOME="+f.home, "SSH_AUTH_SOCK=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// add hands the program a profile.
func (f foreign) add(p client.Profile) {
	f.t.Helper()
	p.Host, p.Doors = f.Client.Gate4.String(), []string{"ssh"}
	file := filepath.Join(f.home, p.Name+".profile")
	if err := os.WriteFile(file, p.Marshal(), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.client("add", file)
}

func (f foreign) tries() {
	f.t.Helper()
	key := filepath.Join(f.home, "id")
	f.client("keygen", "--no-passphrase", "--file", key)
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		f.t.Fatal(err)
	}
	f.serve("tcp", 22)
	static := strings.Replace(bobsDoor, "open_for", "sequence = [\""+strings.Join(sshKnocks, `", "`)+"\"]\nopen_for", 1)
	f.configure(fmt.Sprintf("[spa]\nport = %d\n%s\n[[client]]\nname = \"alice\"\ndoors = [\"ssh\"]\nkey = %q\n", spaPort, static, strings.TrimSpace(string(public))))
	f.start()
	ring, err := keyfile.Load(filepath.Join(f.dir, "state", "server.key"))
	if err != nil {
		f.t.Fatal(err)
	}
	secret, err := client.ParseSecret(bobsSecret)
	if err != nil {
		f.t.Fatal(err)
	}
	f.add(client.Profile{Name: "message", Port: spaPort, ServerKey: ring.Current().Public().Text(), Identity: key})
	f.add(client.Profile{Name: "rotating", Rotating: secret, Shape: sequence.DefaultShape})
	for way, knock := range map[string][]string{
		"static":   append([]string{f.Client.Gate4.String()}, sshKnocks...),
		"rotating": {"rotating"},
		"message":  {"message"},
	} {
		f.opens(f.Client, "tcp", at(f.Client, 22), func() {
			f.t.Logf("%s: %s", way, f.client(append([]string{"knock"}, knock...)...))
		})
	}
}
