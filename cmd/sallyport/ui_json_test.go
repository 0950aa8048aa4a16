//go:build linux && !client_only

package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

// Nothing that an attacker wrote reaches the terminal as anything but text.
func TestOutputIsInert(t *testing.T) {
	f := event.Finding{ID: hostileText, Rule: hostileText, Severity: event.Severity(hostileText), Source: visitor, Door: hostileText, Client: hostileText,
		First: time.Now(), Last: time.Now(), Count: 1, Explanation: hostileText, Advice: hostileText, Evidence: []string{hostileText}}
	events := []event.Event{{Time: time.Now(), Kind: event.KindRefusal, Door: hostileText, Client: hostileText, Source: visitor, Reason: event.Reason(hostileText), Detail: hostileText},
		{Time: time.Now(), Kind: event.KindGrant, Door: hostileText, Client: hostileText, Source: visitor, Detail: hostileText}}
	path := keepEvents(t, events, f)
	for _, args := range [][]string{
		{"events"}, {"events", "--json"}, {"events", "--format", "ocsf"}, {"events", "--format", "ecs"}, {"why", "192.0.2.10"}, {"why", "192.0.2.10", "--json"}, {"why", hostileText},
		{"findings"}, {"findings", "--json"}, {"findings", "ack", hostileText},
		{"report"}, {"report", "--json"}, {"report", "--html", "-"},
	} {
		out, errs, status := call(t, "", append(args, "--journal", path)...)
		if status != 0 {
			t.Errorf("%q: status %d: %s", args, status, errs)
		}
		for _, r := range out + errs {
			if r != '\n' && (r < ' ' || r >= 0x7f && !strconv.IsPrint(r)) {
				t.Errorf("%q prints %q", args, r)
				break
			}
		}
		if strings.Contains(out, "\n2026-03-01 forged") {
			t.Errorf("%q prints a forged line", args)
		}
	}
}
