//go:build linux

package inspect

import (
	"fmt"
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

// firewalld is what its default zone makes, where ssh is allowed.
const firewalld = `nft -f - <<'END'
table inet firewalld {
	chain filter_PREROUTING {
		type filter hook prerouting priority filter + 10; policy accept;
		icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
		meta nfproto ipv6 fib saddr . mark . iif oif missing drop
	}
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept
		ct status dnat accept
		iifname "lo" accept
		ct state invalid drop
		jump filter_INPUT_ZONES
		reject with icmpx admin-prohibited
	}
	chain filter_INPUT_POLICIES_pre { jump filter_IN_policy_allow-host-ipv6; }
	chain filter_INPUT_ZONES { goto filter_IN_public; }
	chain filter_IN_public {
		jump filter_INPUT_POLICIES_pre
		jump filter_IN_public_deny
		jump filter_IN_public_allow
		meta l4proto { icmp, ipv6-icmp } accept
		reject with icmpx admin-prohibited
	}
	chain filter_IN_public_deny { }
	chain filter_IN_public_allow {
		tcp dport 22 accept
		ip6 daddr fe80::/64 udp dport 546 accept
	}
	chain filter_IN_policy_allow-host-ipv6 {
		icmpv6 type { nd-neighbor-advert, nd-neighbor-solicit, nd-router-advert, nd-redirect } accept
	}
}
END`

// ufw is what it makes, in short, where ssh is allowed and 8080 from one network.
const ufw = `iptables-nft-restore <<'END'
*filter
:INPUT DROP [0:0]
:ufw-before-input - [0:0]
:ufw-not-local - [0:0]
:ufw-reject-input - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-reject-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name DEFAULT --mask 255.255.255.255 --rsource
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
-A ufw-user-input -s 10.0.0.0/8 -p tcp -m tcp --dport 8080 -j ACCEPT
COMMIT
END
`

// input is a chain of nftables for what comes in.
func input(policy string, rules ...string) string {
	return "nft -f - <<'END'\ntable inet filter {\nset ports {\ntype inet_service; flags interval\nelements = { 22, 8000-8090 }\n}\n" +
		"chain tcp-in {\ntcp dport { 22, 443 } accept\n}\nchain input {\ntype filter hook input priority 0; policy " + policy + ";\n" + strings.Join(rules, "\n") + "\n}\n}\nEND"
}

const usual = "iif lo accept\nct state vmap { established : accept, related : accept, invalid : drop }"

// Where tcp/22, tcp/8080 and udp/1194 are shut, by what programs and people set up.
var shutCases = []struct{ name, script, want string }{
	{"nothing", "true", ""},
	{"ours only", "nft add table inet sallyport; nft add chain inet sallyport gate '{ type filter hook prerouting priority 0; policy drop; }'", ""},
	{"firewalld", firewalld, "tcp/8080: firewalld; udp/1194: firewalld"},
	{"ufw", ufw, "udp/1194: ufw over IPv4"},
	{"ufw, IPv6", ufw + "ip6tables-nft -P INPUT DROP", "tcp/22: iptables over IPv6; tcp/8080: iptables over IPv6; udp/1194: ufw"},
	{"a policy", input("drop", usual), "tcp/22: nftables; tcp/8080: nftables; udp/1194: nftables"},
	{"a port is allowed", input("drop", usual, "tcp dport 22 accept"), "tcp/8080: nftables; udp/1194: nftables"},
	{"a set of ports", input("drop", usual, "tcp dport @ports accept"), "udp/1194: nftables"},
	{"all but a set", input("drop", usual, "tcp dport != @ports accept"), "tcp/22: nftables; tcp/8080: nftables; udp/1194: nftables"},
	{"a chain for TCP", input("drop", usual, "ip protocol tcp jump tcp-in", "ip6 nexthdr tcp tcp dport 8080 accept"), "tcp/22: nftables over IPv6; tcp/8080: nftables over IPv4; udp/1194: nftables"},
	{"a map of verdicts", input("drop", usual, "tcp dport vmap { 22 : accept, 8080 : jump tcp-in }"), "tcp/8080: nftables; udp/1194: nftables"},
	{"a map of protocols and ports", input("drop", usual, "meta l4proto . th dport vmap { tcp . 22 : accept, udp . 1194 : accept }"), "tcp/8080: nftables"},
	{"protocol and ports", input("drop", usual, "meta l4proto . th dport { tcp . 22, udp . 1194 } accept"), "tcp/8080: nftables"},
	{"a range", input("accept", "tcp dport 8000-8999 reject with tcp reset"), "tcp/8080: nftables"},
	{"from one network", input("drop", usual, "ip saddr 10.0.0.0/8 accept", "ip6 saddr fd00::/8 tcp dport 22 accept"), "tcp/8080: nftables over IPv6; udp/1194: nftables over IPv6"},
	{"but one network", input("accept", "tcp dport 22 ip saddr != 10.0.0.0/8 drop"), ""},
	{"on one interface", input("drop", usual, "iifname gate0 tcp dport 22 accept"), "tcp/8080: nftables; udp/1194: nftables"},
	{"up to a rate", input("accept", "tcp dport 22 limit rate 3/minute accept", "tcp dport 22 drop", "udp dport 1194 drop"), "udp/1194: nftables"},
	{"with a mark", input("drop", usual, "meta mark 7 accept"), ""},
	{"iptables with a policy", "iptables-nft -P INPUT DROP; iptables-nft -A INPUT -p tcp -m multiport --dports 22,8000:8090 -j ACCEPT", "udp/1194: iptables over IPv4"},
	{"iptables with a last rule", "iptables-nft -A INPUT -m state --state ESTABLISHED -j ACCEPT; iptables-nft -A INPUT -p tcp ! --dport 22 -j REJECT", "tcp/8080: iptables over IPv4"},
	{"iptables for IPv6", "ip6tables-nft -A INPUT -p udp --dport 1194 -j DROP", "udp/1194: iptables over IPv6"},
	{"what is forwarded", "nft add table inet mine; nft add chain inet mine f '{ type filter hook forward priority 0; policy drop; }'", ""},
}

func TestShutPorts(t *testing.T) {
	labtest.Need(t, "peers", "nft", "iptables-nft", "iptables-nft-restore", "ip6tables-nft")
	var ports []packet.Port
	for _, text := range []string{"tcp/22", "tcp/8080", "udp/1194"} {
		p, err := packet.ParsePort(text)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, p)
	}
	for _, c := range shutCases {
		t.Run(c.name, func(t *testing.T) {
			l := labtest.New(t, lab.Options{})
			sh(t, l.Gate, c.script)
			var got []string
			if err := l.Gate.Do(func() error {
				list, err := ShutPorts(ports)
				for _, s := range list {
					maker, _, _ := strings.Cut(s.By, " ")
					word := fmt.Sprintf("%s: %s", s.Port, maker)
					if s.Family != "" {
						word += " over " + s.Family
					}
					got = append(got, word)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if s := strings.Join(got, "; "); s != c.want {
				t.Errorf("found %q, want %q", s, c.want)
			}
		})
	}
}
