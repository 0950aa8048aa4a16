//go:build linux && !client_only

package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

// Labels stand beside the names, and keep the columns straight.
func TestStatusShowsLabels(t *testing.T) {
	now := time.Now()
	s := control.Status{
		Doors:  []control.Door{{Name: "wiki", Label: "社内ウィキ", Ports: []string{"tcp/443"}, OpenFor: "30s"}, {Name: "ssh", Ports: []string{"tcp/22"}, OpenFor: "30s"}},
		Grants: []event.Grant{{Door: "wiki", Client: "tanaka", Source: netip.MustParseAddr("192.0.2.7"), Until: now.Add(20 * time.Second)}},
		Labels: map[string]string{"tanaka": "営業部 田中"},
	}
	var b strings.Builder
	printStatus(&b, s, now)
	for _, want := range []string{"\nwiki (社内ウィキ)  tcp/443  30s", "\nssh                tcp/22   30s", "tanaka (営業部 田中)  20s\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %q in\n%s", want, b.String())
		}
	}
}
