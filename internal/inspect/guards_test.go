//go:build linux

package inspect

import (
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

// nftChain is a table with one base chain.
func nftChain(hook, priority string, rules ...string) string {
	return "nft -f - <<'END'\ntable inet mine {\nset seen { type ipv4_addr; flags dynamic, timeout; timeout 1m; }\nchain c {\ntype filter hook " + hook + " priority " + priority + ";\n" +
		strings.Join(rules, "\n") + "\n}\n}\nEND"
}

func TestUntracked(t *testing.T) {
	labtest.Need(t, "peers", "iptables-nft", "nft")
	for _, c := range []struct{ name, script, want string }{
		{"nothing", "true", ""},
		{"iptables", "iptables-nft -t raw -A PREROUTING -p tcp --dport 22 -j CT --notrack", "tcp/22 IPv4"},
		{"iptables, another port", "iptables-nft -t raw -A PREROUTING -p tcp --dport 23 -j CT --notrack", ""},
		{"iptables, a zone", "iptables-nft -t raw -A PREROUTING -p tcp --dport 22 -j CT --zone 5", ""},
		{"a chain of iptables", "iptables-nft -t raw -N fast; iptables-nft -t raw -A PREROUTING -p tcp -j fast; iptables-nft -t raw -A fast -p tcp --dport 20:30 -j CT --notrack", "tcp/22 IPv4"},
		{"everything", nftChain("prerouting", "raw", "notrack"), "tcp/22, udp/53"},
		{"loopback", nftChain("prerouting", "raw", `iifname "lo" notrack`), ""},
		{"one source", nftChain("prerouting", "raw", "ip saddr 192.0.2.7 notrack"), ""},
		{"after an accept", nftChain("prerouting", "raw", "tcp dport 22 accept", "notrack"), "udp/53"},
		{"too late", nftChain("prerouting", "filter", "udp dport 53 accept"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := labtest.New(t, lab.Options{})
			sh(t, l.Gate, c.script)
			var got []string
			if err := l.Gate.Do(func() error {
				list, err := Untracked([]packet.Port{{Proto: packet.TCP, Number: 22}, {Proto: packet.UDP, Number: 53}})
				for _, s := range list {
					got = append(got, strings.TrimSpace(s.Port.String()+" "+s.Family))
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("found %q, want %q", s, c.want)
			}
		})
	}
}

func TestGuards(t *testing.T) {
	labtest.Need(t, "peers", "iptables-nft", "nft")
	for _, c := range []struct{ name, script, want string }{
		{"nothing", "true", ""},
		{"fail2ban", "iptables-nft -N f2b-sshd; iptables-nft -A INPUT -p tcp --dport 22 -j f2b-sshd", "fail2ban"},
		{"fail2ban with nftables", "nft add table inet f2b-table; nft add chain inet f2b-table f2b-chain '{ type filter hook input priority -1; }'", "fail2ban"},
		{"a scan trap", "iptables-nft -A INPUT -p tcp -m recent --name trap --set -j DROP", "a rule that remembers sources"},
		{"a scan trap of nft", nftChain("input", "filter", "tcp dport 1-1000 add @seen { ip saddr }"), "a rule that remembers sources"},
		{"a set of destinations", nftChain("input", "filter", "tcp dport 1-1000 add @seen { ip daddr }"), ""},
		{"a limit", nftChain("input", "filter", "tcp dport 80 limit rate 10/second accept"), ""},
		{"a meter", nftChain("input", "filter", "tcp dport 80 update @seen { ip saddr limit rate over 10/second } drop"), ""},
		{"ours", "nft add table inet sallyport; nft add chain inet sallyport f2b-x", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := labtest.New(t, lab.Options{})
			sh(t, l.Gate, c.script)
			var got []string
			if err := l.Gate.Do(func() error {
				list, err := Guards()
				for _, g := range list {
					got = append(got, g.Name)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("found %q, want %q", s, c.want)
			}
		})
	}
}
