package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// emulators are QEMU's, for programs of Linux (Debian: qemu-user-static).
var emulators = map[string]string{
	"arm64": "aarch64", "arm": "arm", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x", "mips": "mips", "mipsle": "mipsel",
	"386": "i386", "amd64": "x86_64",
}

// runner returns what a program for this target is run with here, and whether it
// can be run at all.
func (t target) runner() (list []string, ok bool) {
	if t.os != "linux" || runtime.GOOS != "linux" {
		return nil, false
	}
	if t.arch == runtime.GOARCH || t.arch == "386" && runtime.GOARCH == "amd64" {
		return nil, true
	}
	path, err := exec.LookPath("qemu-" + emulators[t.arch] + "-static")
	return []string{path}, err == nil
}

// check refuses a program that is too large, or that does not run.
func (s source) check(ctx context.Context, program string) error {
	info, err := os.Stat(program)
	if err != nil {
		return err
	}
	if s.client && info.Size() > maxClient {
		return fmt.Errorf("the client has %d bytes, want at most %d", info.Size(), maxClient)
	}
	run, ok := s.runner()
	if !ok {
		fmt.Fprintf(os.Stderr, "%s for %s has not been run: there is no emulator for it\n", s.name(), s.target)
		return nil
	}
	return s.runs(ctx, append(run, program))
}

// runs has a program say its version, explain itself and make a key.
func (s source) runs(ctx context.Context, program []string) error {
	dir, err := os.MkdirTemp("", "sallyport-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	do := func(args ...string) (string, error) {
		args = append(program[1:len(program):len(program)], args...)
		return s.command(ctx, []string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, program[0], args...)
	}
	text, err := do("version")
	if err == nil && !strings.Contains(text, s.version) {
		err = fmt.Errorf("it says that it is version %q, want %s", text, s.version)
	}
	if err != nil {
		return err
	}
	key := filepath.Join(dir, "key")
	if _, err := do("help", "keygen"); err != nil {
		return err
	}
	if _, err := do("keygen", "--file", key, "--no-passphrase"); err != nil {
		return err
	}
	made, err := os.Stat(key)
	if err == nil && made.Mode().Perm() != 0o600 {
		err = fmt.Errorf("the key that it makes has the mode %v, want 0600", made.Mode())
	}
	return err
}
