//go:build linux

package hook

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/config"
)

// A daemon that is not root has its capabilities as ambient ones.
func TestCapabilitiesAreNotHandedOn(t *testing.T) {
	ambient := func() string {
		out := filepath.Join(t.TempDir(), "out")
		c := config.Hook{Command: shell("grep CapAmb /proc/self/status >" + out), Timeout: patience}
		if err := run(context.Background(), task{c, grant}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(strings.TrimPrefix(string(text), "CapAmb:"))
	}
	done := make(chan struct{})
	var before, after string
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends here
		if errors.Is(raiseAmbient(), unix.EPERM) {
			return
		}
		before = ambient()
		if err := giveUpRights(); err != nil {
			t.Error(err)
		}
		after = ambient()
	}()
	<-done
	if before == "" {
		t.Skip("needs the capability CAP_NET_ADMIN")
	}
	const none = "0000000000000000"
	if before == none || after != none {
		t.Errorf("ambient capabilities of a command: %s, and after giving them up %s", before, after)
	}
}

// raiseAmbient gives the thread what systemd's AmbientCapabilities= gives.
func raiseAmbient() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	if data[0].Permitted&(1<<unix.CAP_NET_ADMIN) == 0 {
		return unix.EPERM
	}
	data[0].Inheritable |= 1 << unix.CAP_NET_ADMIN
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_NET_ADMIN, 0, 0)
}
