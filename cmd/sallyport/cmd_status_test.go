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

// A newcomer reads what each number counts, in the words of the documents.
func TestStatusExplainsItsNumbers(t *testing.T) {
	now := time.Now()
	s := control.Status{
		Doors:    []control.Door{{Name: "ssh", Ports: []string{"tcp/22"}, OpenFor: "10m0s", Single: true, Dropped: 7}},
		Grants:   []event.Grant{{Door: "ssh", Client: "alice", Source: netip.MustParseAddr("192.0.2.7"), Until: now.Add(20 * time.Second), Single: true}},
		Dropped:  12,
		Capture:  map[string]control.Ring{"knocks": {Received: 5}, "spa": {Received: 1, Lost: 3, Late: 2}},
		Refusals: map[event.Reason]uint64{event.BadTag: 3},
		Moat:     control.Moat{Mode: "auto"},
	}
	var b strings.Builder
	printStatus(&b, s, now)
	for _, want := range []string{
		"DOOR  PORTS   A GRANT LASTS        GRANTS NOW  PACKETS DROPPED\n", "ssh   tcp/22  10m, one connection  0           7\n",
		"GRANT AT DOOR  FOR SOURCE  OF CLIENT  ENDS IN\n", "20s, one connection\n",
		"Dropped at closed ports: 12 packets. Strangers try every host",
		"Looked at, whether they are knocks: 5 packets.\n",
		"Looked at, whether they are SPA messages: 1 packet; 3 more were lost, since the host was too busy; 2 were looked at too late to count.\n",
		"Refusals since the start, by reason: tag 3. What each means: sallyport report.\n",
		"Moat: off, there is no interface for it. It would drop junk before that costs anything; no door depends on it.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %q in\n%s", want, b.String())
		}
	}
}
