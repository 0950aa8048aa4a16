package setup

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sallyport/internal/unit"
)

// unitPlaces are where a unit may be already; a package puts it into the second.
var unitPlaces = []string{"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// standardBins are where the unit finds the program.
var standardBins = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"}

// HasSystemd reports whether systemd runs this host (sd_booted(3)).
func HasSystemd() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// NeedsUnit reports whether to make the unit and its user: as root, for
// the usual folders, under systemd, where no package has done it.
func (s *Setup) NeedsUnit() (bool, error) {
	usual := s.Dir == filepath.Dir(DefaultConfig) && s.State == DefaultState && s.Socket == DefaultSocket
	if !HasSystemd() || !usual || os.Getuid() != 0 {
		return false, nil
	}
	for _, dir := range unitPlaces {
		if _, err := os.Lstat(filepath.Join(dir, "sallyport.service")); err == nil {
			return false, nil
		}
	}
	self, err := os.Executable()
	if err != nil {
		return false, fmt.Errorf("find this program: %w", err)
	}
	if !slices.Contains(standardBins, filepath.Dir(self)) {
		return false, &advised{fmt.Errorf("%s is not where a service can be started from", self), "install -m 0755 " + self + " /usr/local/bin/ and run that, or use --no-unit"}
	}
	return true, nil
}

// writeUnit makes the unit, and the user that it runs as.
func (s *Setup) writeUnit(ctx context.Context) error {
	for _, f := range []struct {
		path string
		text []byte
	}{
		{"/etc/sysusers.d/sallyport.conf", unit.Sysusers},
		{"/etc/tmpfiles.d/sallyport.conf", unit.Tmpfiles},
		{"/etc/systemd/system/sallyport.service", unit.Service},
		{"/etc/systemd/system/sallyport-console.service", unit.Console},
		{"/etc/systemd/system/sallyport-asks.service", unit.Asks},
	} {
		if err := s.folder(filepath.Dir(f.path), 0o755); err != nil {
			return err
		}
		if err := s.put(f.path, f.text, 0o644); err != nil {
			return err
		}
	}
	if err := runProgram(ctx, "systemd-sysusers", "/etc/sysusers.d/sallyport.conf"); err != nil {
		return err
	}
	return runProgram(ctx, "systemctl", "daemon-reload")
}

func runProgram(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
