//go:build linux

package beside

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab"
)

// fw4 is a ruleset as OpenWrt's firewall lays it, written after its documentation:
// one table, a zone for each side, input of wan rejected but for what has been
// allowed, a redirect, and masquerading.
const fw4 = `table inet fw4
flush table inet fw4
table inet fw4 {
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state vmap { established : accept, related : accept }
		tcp flags & (fin | syn | rst | ack) == syn jump syn_flood
		iifname { "to-client", "to-attacker" } jump input_wan
		iifname "to-inside" jump input_lan
		jump handle_reject
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state vmap { established : accept, related : accept }
		iifname "to-inside" accept
		ct status dnat accept
		jump handle_reject
	}
	chain output { type filter hook output priority filter; policy accept; }
	chain handle_reject {
		meta l4proto tcp reject with tcp reset
		reject with icmpx type port-unreachable
	}
	chain syn_flood {
		limit rate 25/second burst 50 packets return
		drop
	}
	chain input_wan {
		meta nfproto ipv4 icmp type echo-request accept
		icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept
		tcp dport { 22, 80 } counter accept
		jump handle_reject
	}
	chain input_lan { tcp dport 53 accept; jump handle_reject; }
	chain dstnat {
		type nat hook prerouting priority dstnat; policy accept;
		iifname { "to-client", "to-attacker" } fib daddr type local meta nfproto ipv4 tcp dport 8080 counter dnat ip to 203.0.113.2:80
	}
	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;
		oifname { "to-client", "to-attacker" } meta nfproto ipv4 masquerade
	}
	chain mangle_forward {
		type filter hook forward priority mangle; policy accept;
		oifname { "to-client", "to-attacker" } tcp flags & (fin | syn | rst) == syn tcp option maxseg size set rt mtu
	}
}
`

// OpenWrt's kernels are older than 6.9, so that its flush, which deletes every
// table by its name, deletes the gate's as well: it is put back.
func TestFw4(t *testing.T) {
	for name, args := range map[string][]string{"new kernel": nil, "old kernel": {"--unowned"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, lab.Options{Inside: true}, "nft", "sh")
			w.served.Args = args
			w.greet(w.Gate, door, forgotten, public, forbidden)
			w.greet(w.Inside, 80)
			path := filepath.Join(w.dir, "fw4.nft")
			if err := os.WriteFile(path, []byte(fw4), 0o600); err != nil {
				t.Fatal(err)
			}
			start := func() { w.run(w.Gate, "nft", "-f", path) }
			stop := func() { w.run(w.Gate, "nft", "delete", "table", "inet", "fw4") }
			flush := func() {
				// It fails at a table that belongs to another program, and goes on.
				_, _ = w.try(w.Gate, "sh", "-c", "nft list tables | while read _ family table; do nft delete table $family $table; done")
				if out := w.run(w.Gate, "nft", "list", "tables"); strings.Contains(out, "fw4") {
					w.t.Errorf("fw4 is still there:\n%s", out)
				}
			}
			start()
			w.beside(neighbour{name: "nftables", filters: true, publish: true, six: true, behind: w.inside, upheavals: []upheaval{
				{name: "reload", do: start},
				{name: "stop", do: stop, off: true},
				{name: "start", do: start},
				{name: "flush", do: flush, off: true, gap: args != nil},
				{name: "start after that", do: start},
			}})
		})
	}
}
