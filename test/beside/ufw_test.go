//go:build linux

package beside

import (
	"os"
	"path/filepath"
	"testing"

	"sallyport/internal/lab"
)

// What ufw's manual has people write into before.rules for NAT.
const ufwNAT = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-F PREROUTING
-F POSTROUTING
-A PREROUTING -p tcp --dport 8080 -m addrtype --dst-type LOCAL -j DNAT --to-destination 203.0.113.2:80
-A POSTROUTING -s 203.0.113.0/24 -o to-client -j MASQUERADE
COMMIT
`

func TestUfw(t *testing.T) {
	w := newWorld(t, lab.Options{Inside: true}, "ufw", "iptables-nft", "nft")
	w.greet(w.Gate, door, forgotten, public, forbidden)
	w.greet(w.Inside, 80)
	rules := filepath.Join(w.over("/etc/ufw"), "before.rules")
	w.over("/etc/default/ufw")
	w.empty("/run")
	before, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(rules, append([]byte(ufwNAT), before...), 0o640); err != nil {
		t.Fatal(err)
	}
	ufw := func(args ...string) { t.Helper(); w.run(w.Gate, "ufw", args...) }
	ufw("allow", "22/tcp")
	ufw("allow", "80/tcp")
	ufw("route", "allow", "proto", "tcp", "to", w.Inside.IP4.String(), "port", "80")
	ufw("route", "allow", "in", "on", "to-inside")
	ufw("--force", "enable")
	w.beside(neighbour{name: "ufw", filters: true, publish: true, six: true, behind: w.inside, upheavals: []upheaval{
		{name: "reload", do: func() { ufw("reload") }},
		{name: "disable", do: func() { ufw("--force", "disable") }, off: true},
		{name: "enable", do: func() { ufw("--force", "enable") }},
		{name: "another rule", do: func() { ufw("allow", "9/tcp"); ufw("delete", "allow", "9/tcp") }},
		{name: "flush by iptables", do: func() {
			for _, words := range [][]string{{"-P", "INPUT", "ACCEPT"}, {"-P", "FORWARD", "ACCEPT"}, {"-F"}, {"-X"}, {"-t", "nat", "-F"}} {
				w.run(w.Gate, "iptables-nft", words...)
			}
		}, off: true},
		{name: "enable after that", do: func() { ufw("--force", "disable"); ufw("--force", "enable") }},
		{name: "flush ruleset", do: func() { w.run(w.Gate, "nft", "flush", "ruleset") }, off: true},
		{name: "enable after a flush", do: func() { ufw("--force", "disable"); ufw("--force", "enable") }},
	}})
}
