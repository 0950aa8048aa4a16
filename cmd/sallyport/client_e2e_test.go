//go:build linux

package main

import (
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

// A firewall that answers for the ports that it shuts, as firewalld does, sees
// a message after the daemon has: what it says is not the end of a knock.
func TestKnockWhereTheFirewallAnswers(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newClientWorld(t, lab.Options{}, nil)
	w.nft(`add table inet host
		add chain inet host input { type filter hook input priority 0; }
		add rule inet host input udp dport 40321 reject with icmpx admin-prohibited`)
	for _, name := range []string{"gate", "gate6"} {
		for range 3 {
			if out := w.do("knock", name); !strings.Contains(out, `door "ssh" is open for `) {
				t.Errorf("%s: said %q", name, out)
			}
		}
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
}
