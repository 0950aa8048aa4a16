//go:build linux && !client_only

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/event"
)

// Hooks are told when a door opens and closes; one that hangs and one that is
// not there hold up neither the door nor the others.
func TestHooksOfADoor(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	script := `n=$(cat); printf '%s\n' "$n" >` + out + `/$SALLYPORT_KIND.new && mv ` + out + `/$SALLYPORT_KIND.new ` + out + `/$SALLYPORT_KIND`
	w := newGuarded(t, briefly(sshDoor)+fmt.Sprintf(`
[[hook]]
on = ["open"]
command = ["/bin/sleep", "1000"]
timeout = "10m"
[[hook]]
on = ["open"]
command = ["/nonexistent/tell"]
[[hook]]
on = ["open", "close"]
doors = ["ssh"]
command = ["/bin/sh", "-c", %q]
`, script))
	w.expires(w.Client, "tcp", at(w.Client, 22), func() { w.knock(w.Client, w.Client.Gate4, sshKnocks...) })
	for _, kind := range []event.Kind{event.KindGrant, event.KindExpiry} {
		var ev event.Event
		w.eventually("the hook has run for "+string(kind), func() bool {
			text, err := os.ReadFile(filepath.Join(out, string(kind)))
			return err == nil && json.Unmarshal(text, &ev) == nil
		})
		if ev.Kind != kind || ev.Door != "ssh" || ev.Source != w.Client.IP4 {
			t.Errorf("%+v", ev)
		}
	}
	w.eventually("the missing program is told", func() bool { return strings.Contains(w.log.String(), "/nonexistent/tell") })
	if status := w.stop(); status != 0 { // kills the one that hangs
		t.Errorf("status %d", status)
	}
}
