//go:build linux && !client_only

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/keyfile"
	"sallyport/internal/lab"
	"sallyport/internal/spa"
)

// One message opens the doors of a group, each for its own prefix, no more of
// them than the client may have, and within their hours only.
func TestGroupHoursLimitAndPrefix(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	closedNow := fmt.Sprintf("%s 00:00-24:00", now.AddDate(0, 0, 3).Weekday().String()[:3])
	w := &spaWorld{world: newWorld(t, lab.Options{}), alice: newProver(t)}
	for _, port := range []uint16{22, 80, 81} {
		w.serve("tcp", port)
	}
	w.configure(fmt.Sprintf(`[gate]
timezone = "UTC"
[spa]
port = %d
[[door]]
name = "ssh"
ports = ["tcp/22"]
open_for = "1h"
widen4 = 24
[[door]]
name = "web"
ports = ["tcp/80"]
open_for = "1h"
[[door]]
name = "late"
ports = ["tcp/81"]
hours = [%q]
[[group]]
name = "office"
doors = ["ssh", "web", "late"]
sequence = ["tcp/7100", "udp/8100", "tcp/6100"]
[[client]]
name = "alice"
doors = ["office"]
key = %q
max_grants = 2
`, spaPort, closedNow, w.alice.authorized()))
	w.start()
	ring, err := keyfile.Load(filepath.Join(w.dir, "state", "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	w.server = ring.Current().Public()
	ssh, web, late := at(w.Client, 22), at(w.Client, 80), at(w.Client, 81)
	w.closed(w.Client, "tcp", ssh)
	w.closed(w.Client, "tcp", web)
	office := func(h *spa.Header) { h.Door = spa.DoorID("office") }
	w.send(w.Client, w.Client.Gate4, w.seal(w.alice, w.Client.IP4, office).Datagram)
	w.open(w.Client, "tcp", ssh)
	w.open(w.Client, "tcp", web)
	w.closed(w.Client, "tcp", late)
	if s := w.status(); len(s.Grants) != 2 || s.Grants[0].Door != "ssh" || s.Grants[0].From().Bits() != 24 || s.Grants[1].Prefix != 0 || s.Refusals["hours"] != 1 {
		t.Errorf("%+v %v", s.Grants, s.Refusals)
	}

	asks := func(when string) {
		t.Helper()
		if g := w.status().Grants[0]; g.Source != w.Client.IP4 || g.Client != "alice" {
			t.Errorf("%s: %+v, want the source that asked", when, g)
		}
		prefix, _ := w.Client.IP4.Prefix(24)
		for _, who := range []string{w.Client.IP4.String(), prefix.Addr().Next().Next().Next().String(), prefix.String(), "alice"} {
			if out := w.must(w.Gate, "why", who, "-c", w.config); !strings.Contains(out, `Now: door "ssh" is open for `+w.Client.IP4.String()+"/24") {
				t.Errorf("%s: why %s: %s", when, who, out)
			}
		}
	}
	asks("at first")

	// After a restart the limit still counts them; ending one makes room.
	w.kill()
	w.start()
	w.eventually("the grants are known again", func() bool { return len(w.status().Grants) == 2 })
	asks("after a restart")
	w.eventually("grants are restored", func() bool {
		var list struct {
			Grants []struct {
				Prefix int `json:"prefix"`
			} `json:"grants"`
		}
		return json.Unmarshal([]byte(w.must(w.Gate, "status", "-c", w.config, "--json")), &list) == nil && len(list.Grants) == 2 && list.Grants[0].Prefix == 24
	})
	web6 := func(h *spa.Header) { h.Door = spa.DoorID("web") }
	w.send(w.Client, w.Client.Gate6, w.seal(w.alice, w.Client.IP6, web6).Datagram)
	w.eventually("the third is refused", func() bool { return w.status().Refusals["max-grants"] == 1 })
	w.closed(w.Client, "tcp", at6(w.Client, 80))
	if out := w.must(w.Gate, "revoke", "-c", w.config, "--door", "ssh", "--source", w.Client.IP4.String()); !strings.Contains(out, "1 grant revoked") {
		t.Errorf("%s", out)
	}
	w.closed(w.Client, "tcp", ssh)
	w.open(w.Client, "tcp", web)
	w.send(w.Client, w.Client.Gate6, w.seal(w.alice, w.Client.IP6, web6).Datagram)
	w.open(w.Client, "tcp", at6(w.Client, 80))

	// Anyone who knocks the group's sequence is nobody in particular.
	w.knock(w.Client, w.Client.Gate4, "tcp/7100", "udp/8100", "tcp/6100")
	w.open(w.Client, "tcp", ssh)
	w.closed(w.Client, "tcp", late)
}
