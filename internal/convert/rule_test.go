package convert

import (
	"fmt"
	"strings"
	"testing"
)

// spell writes what a line does: "+" opens and "-" closes; "*" stands for no
// ports, "!" for everybody, "?" for trouble.
func spell(line string) string {
	rules, others := readCommands(line)
	var words []string
	for _, r := range rules {
		w := map[bool]string{true: "+", false: "-"}[r.opens]
		if len(r.ports) == 0 {
			w += "*"
		}
		w += knockWords(r.ports)
		for _, mark := range []struct {
			text string
			set  bool
		}{{"!", r.everybody}, {" forward", r.forward}, {" ?", r.trouble != ""}} {
			if mark.set {
				w += mark.text
			}
		}
		if r.lasts > 0 {
			w += fmt.Sprintf(" %s", r.lasts)
		}
		if r.to.IsValid() {
			w += fmt.Sprintf(" to %s", r.to)
		}
		words = append(words, w)
	}
	for _, c := range others {
		words = append(words, "other:"+c[0])
	}
	return strings.Join(words, "; ")
}

func TestCommands(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", ""},
		{"/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "+tcp/22"},
		{"/sbin/iptables -A INPUT -s %IP% --dport 22 -j ACCEPT", "+tcp/22"},
		{"iptables -I INPUT 1 -s %IP%/32 -p tcp -m tcp --dport ssh -m state --state NEW -j ACCEPT", "+tcp/22"},
		{"iptables -w 5 -I INPUT -m comment --comment 'by knockd; really' -s %IP% -p udp --dport=1194 -j ACCEPT", "+udp/1194"},
		{"iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "-tcp/22"},
		{"iptables -A INPUT -s %IP% -p tcp --dport 22 -j DROP", "-tcp/22"},
		{"iptables -D INPUT -s %IP% -p tcp --dport 22 -j REJECT", "+tcp/22"},
		{"iptables -A INPUT -s %IP% -p tcp -m multiport --dports 80,443,8000:8002 -j ACCEPT", "+tcp/80 tcp/443 tcp/8000 tcp/8001 tcp/8002"},
		{"iptables -A INPUT -s %IP% -p tcp --syn -j ACCEPT", "+*"},
		{"iptables -A INPUT -s %IP% -j ACCEPT", "+*"},
		{"iptables -A INPUT -p tcp --dport 22 -j ACCEPT", "+tcp/22!"},
		{"iptables -A INPUT -s 192.0.2.1 -p tcp --dport 22 -j ACCEPT", "+tcp/22!"},
		{"iptables -A FORWARD -s %IP% -d 10.0.0.5 -p tcp --dport 22 -j ACCEPT", "+tcp/22 forward to 10.0.0.5/32"},
		{"iptables -A INPUT ! -s %IP% -p tcp --dport 22 -j ACCEPT", "other:iptables"},
		{"iptables -A INPUT -s ! %IP% -p tcp --dport 22 -j ACCEPT", "other:iptables"},
		{"iptables -t nat -A PREROUTING -s %IP% -p tcp --dport 22 -j REDIRECT", "+tcp/22"},
		{"iptables -A INPUT -s %IP% -j LOG", "other:iptables"},
		{"iptables -A INPUT -s %IP% -p tcp --dport 1:65535 -j ACCEPT", "+* ?"},
		{"iptables -A INPUT -s %IP% -p tcp --dport 70000 -j ACCEPT", "+* ?"},
		{"iptables -A INPUT -s %IP% -p gre -j ACCEPT", "+*"},
		{"iptables", "other:iptables"},
		{"iptables -A", "other:iptables"},
		{"ip6tables -A INPUT -s %IP% -p tcp --dport 25 -j ACCEPT", "+tcp/25"},
		{"sudo /usr/sbin/iptables-nft -A INPUT -s %IP% -p tcp --dport 25 -j ACCEPT", "+tcp/25"},

		{"nft add rule inet filter input ip saddr %IP% tcp dport 22 accept", "+tcp/22"},
		{"nft insert rule inet filter input ip saddr %IP% tcp dport { 22, 80 } ct state new counter accept", "+tcp/22 tcp/80"},
		{"nft 'add rule inet filter input ip saddr %IP% th dport {53} accept'", "+tcp/53 udp/53"},
		{"nft add rule inet filter input tcp dport 22 accept", "+tcp/22!"},
		{"nft add rule inet filter input ip saddr %IP% tcp dport != 22 accept", "other:nft"},
		{"nft add rule inet filter input ip saddr %IP% drop", "-*"},
		{"nft delete rule inet filter input handle 7", "-*!"},
		{"nft add element inet filter knockers { %IP% }", "+*"},
		{"nft add element inet filter knockers { %IP% timeout 30s }", "+* 30s"},
		{"nft add element inet filter knockers { %IP% . tcp . 22 timeout 1h30m }", "+tcp/22 1h30m0s"},
		{"nft delete element inet filter knockers { %IP% }", "-*"},
		{"nft add element inet filter knockers { 192.0.2.1 }", "other:nft"},
		{"nft list ruleset", "other:nft"},
		{"nft add rule", "other:nft"},
		{"nft add rule ip dport", "other:nft"},
		{"nft add rule ip dport {", "other:nft"},

		{"ufw allow from %IP% to any port 22 proto tcp", "+tcp/22"},
		{"ufw allow proto tcp from %IP% to any port 22", "+tcp/22"},
		{"ufw insert 1 allow from %IP% to any port 22", "+tcp/22 udp/22"},
		{"ufw --force delete allow from %IP% to any port 22", "-tcp/22 udp/22"},
		{"ufw allow from %IP% to any app OpenSSH", "+tcp/22"},
		{"ufw allow in on eth0 from %IP% to 192.0.2.1 port 80,443 proto tcp comment 'by knockd'", "+tcp/80 tcp/443"},
		{"ufw allow from %IP% port 4000 to any port 22 proto tcp", "+tcp/22"},
		{"ufw allow from %IP%", "+*"},
		{"ufw allow 22/tcp", "+tcp/22!"},
		{"ufw allow ssh", "+tcp/22 udp/22!"},
		{"ufw deny from %IP% to any port 22 proto tcp", "-tcp/22"},
		{"ufw delete deny from %IP% to any port 22 proto tcp", "+tcp/22"},
		{"ufw allow out 53", "other:ufw"},
		{"ufw reload", "other:ufw"},
		{"ufw", "other:ufw"},
		{"ufw insert", "other:ufw"},

		{`firewall-cmd --zone=public --add-rich-rule='rule family="ipv4" source address="%IP%" port port="22" protocol="tcp" accept'`, "+tcp/22"},
		{`firewall-cmd --add-rich-rule 'rule family=ipv4 source address=%IP% service name=ssh accept' --timeout=5m`, "+tcp/22 5m0s"},
		{`firewall-cmd --remove-rich-rule='rule family="ipv4" source address="%IP%" port port="22" protocol="tcp" accept'`, "-tcp/22"},
		{`firewall-cmd --add-rich-rule='rule source NOT address="%IP%" service name="ssh" accept'`, "other:firewall-cmd"},
		{`firewall-cmd --add-rich-rule='rule source address="%IP%" service name="plex" accept'`, "+* ?"},
		{"firewall-cmd --add-port=8443/tcp --timeout=30", "+tcp/8443! 30s"},
		{"firewall-cmd --remove-port 8443/tcp", "-tcp/8443!"},
		{"firewall-cmd --zone=trusted --add-source=%IP%", "+*"},
		{"firewall-cmd --reload", "other:firewall-cmd"},

		{"ipset add knockers %IP% timeout 60", "+* 1m0s"},
		{"ipset -exist add knockers %IP%,tcp:22", "+tcp/22"},
		{"ipset del knockers %IP%", "-*"},
		{"/usr/local/sbin/knock_add -i -c INPUT -p tcp -d 443 -f %IP%", "+tcp/443"},
		{"knock_helper_ipt.sh -x -d 443 -f %IP%", "-tcp/443"},

		{"iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT && logger -t knock %IP%", "+tcp/22; other:logger"},
		{"iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT >/dev/null 2>&1; /bin/true", "+tcp/22; other:/bin/true"},
		{"etherwake 00:11:22:33:44:55", "other:etherwake"},
		{"sh -c 'iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT; logger x'", "+tcp/22; other:logger"},
		{"sh -c", "other:sh"},
		{"sudo", "other:sudo"},
		{"iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT; sleep 30; iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "+tcp/22 30s; -tcp/22"},
		{"sleep 5; iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "+tcp/22; other:sleep"},
	} {
		if got := spell(c.line); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.line, got, c.want)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`a b`, `[a b]`},
		{`a 'b c' "d e" f\ g ""`, `[a b c d e f g ]`},
		{`a; b && c || d | e & f`, `[a] [b] [c] [d] [e] [f]`},
		{`a >x 2>&1 <y b`, `[a b]`},
		{`a >>x; b`, `[a] [b]`},
		{`a 'unfinished; b`, `[a unfinished; b]`},
		{`;;;`, ``},
		{`\`, `[\]`},
	} {
		var words []string
		for _, c := range split(c.line) {
			words = append(words, fmt.Sprint([]string(c)))
		}
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.line, got, c.want)
		}
	}
}
