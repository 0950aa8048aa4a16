//go:build linux

package inspect

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

func TestMain(m *testing.M) {
	if os.Getenv("SALLYPORT_TEST_SLEEP") != "" {
		fmt.Println("ready")
		time.Sleep(time.Minute) // the test ends this process
		return
	}
	labtest.Main(m)
}

func TestParseSession(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7 40000 192.0.2.1 22":               "192.0.2.7:40000 192.0.2.1:22",
		"2001:db8::7 40000 2001:db8::1 2222":         "[2001:db8::7]:40000 [2001:db8::1]:2222",
		"::ffff:192.0.2.7 40000 ::ffff:192.0.2.1 22": "192.0.2.7:40000 192.0.2.1:22",
		"fe80::1%eth0 1 fe80::2%eth0 2":              "[fe80::1%eth0]:1 [fe80::2%eth0]:2",
		"":                                           "error",
		"192.0.2.7 40000 192.0.2.1":                  "error",
		"192.0.2.7 40000 192.0.2.1 70000":            "error",
		"192.0.2.7 40000 gate 22":                    "error",
		"]:1[ 1 192.0.2.1 22":                        "error",
	} {
		got := "error"
		if s, err := parseSession(text); err == nil {
			got = s.Client.String() + " " + s.Server.String()
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestParent(t *testing.T) {
	for stat, want := range map[string]int{
		"7 (bash) S 3 7 7":        3,
		"7 (a ) S 9 (x) S 4 7 7":  4,
		"7 (bash) S":              0,
		"":                        0,
		"7 (bash) S three 7 7":    0,
		"7 (no end S 3 7 7":       0,
		"99999 (sh) R 12345 1 1 ": 12345,
	} {
		if got := parent([]byte(stat)); got != want {
			t.Errorf("%q: parent %d, want %d", stat, got, want)
		}
	}
}

func TestParseServices(t *testing.T) {
	ports, err := parseServices(strings.NewReader("# all\n\nssh\t22/tcp # shell\ndomain 53/udp nameserver\nsctp 9/sctp\nbad 70000/tcp\nshort\n#x 1/tcp\n"))
	if got := fmt.Sprint(ports); got != "[tcp/22 udp/53]" || err != nil {
		t.Errorf("read %s, %v", got, err)
	}
	if _, err := parseServices(strings.NewReader(strings.Repeat("x", 1<<20))); err == nil {
		t.Error("an endless line was read")
	}
}

// sudo takes SSH_CONNECTION away; the shell before it has it.
func TestSessionOfAParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, c := range []struct{ connection, want string }{
		{"192.0.2.7 40000 192.0.2.1 22", "192.0.2.7:40000"},
		{"nonsense", ""},
	} {
		shell := exec.CommandContext(ctx, "sh", "-c", `env -u SSH_CONNECTION "$0" & echo $!; wait`, self)
		shell.Env = append(os.Environ(), "SALLYPORT_TEST_SLEEP=1", "SSH_CONNECTION="+c.connection)
		out, err := shell.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := shell.Start(); err != nil {
			t.Fatal(err)
		}
		var pid int
		var ready string
		if _, err := fmt.Fscan(out, &pid, &ready); err != nil {
			t.Fatal(err)
		}
		s, ok := sessionOf(pid)
		if got := s.Client.String(); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%q: session %v, %v", c.connection, s, ok)
		}
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill()
		}
		shell.Wait()
	}
}

// firewallCases are how well-known programs leave a host.
var firewallCases = []struct{ name, script, want string }{
	{"nothing", "true", ""},
	{"ours only", "nft add table inet sallyport; nft add chain inet sallyport gate '{ type filter hook input priority 0; policy drop; }'", ""},
	{"nftables that drops", "nft add table inet mine; nft add chain inet mine in '{ type filter hook input priority 0; policy drop; }'", "nftables drops"},
	{"nftables that lets in", "nft add table inet mine; nft add chain inet mine in '{ type filter hook input priority 0; }'", "nftables"},
	{"dropping what is forwarded only", "nft add table inet mine; nft add chain inet mine f '{ type filter hook forward priority 0; policy drop; }'", "nftables"},
	{"iptables", "iptables-nft -P INPUT DROP", "iptables drops"},
	{"iptables for IPv6", "ip6tables-nft -A INPUT -j ACCEPT", "iptables"},
	{"ufw", "iptables-nft -N ufw-user-input; iptables-nft -A INPUT -j ufw-user-input; iptables-nft -P INPUT DROP", "ufw drops"},
	{"iptables with a last rule", "iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT; iptables-nft -A INPUT -j REJECT", "iptables drops"},
	{"nftables with a last rule", input("accept", usual, "tcp dport 22 accept", "reject"), "nftables drops"},
	{"nftables for one port", input("accept", "tcp dport 22 ip saddr != 10.0.0.0/8 drop", "tcp dport 23 drop"), "nftables"},
	{"firewalld", firewalld, "firewalld drops"},
	{"Docker and iptables", docker, "Docker, iptables"},
	{"the older iptables", "iptables-legacy -P INPUT DROP", "iptables-legacy hidden"},
}

const docker = `iptables-nft -t nat -N DOCKER
iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
iptables-nft -t nat -A DOCKER -i docker0 -j RETURN
iptables-nft -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
iptables-nft -t nat -A DOCKER -d 192.0.2.1/32 ! -i docker0 -p udp -m udp --dport 53 -j DNAT --to-destination 172.17.0.3:5353`

func TestFirewalls(t *testing.T) {
	labtest.Need(t, "peers", "nft", "iptables-nft", "ip6tables-nft", "iptables-legacy")
	for _, c := range firewallCases {
		t.Run(c.name, func(t *testing.T) {
			l := labtest.New(t, lab.Options{})
			sh(t, l.Gate, c.script)
			var got []string
			if err := l.Gate.Do(func() error {
				list, err := Firewalls()
				for _, f := range list {
					word := f.Name
					if f.Drops {
						word += " drops"
					}
					if f.Hidden {
						word += " hidden"
					}
					got = append(got, word)
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

const dockerNft = `nft -f - <<'END'
table ip docker-bridges {
	chain nat-OUTPUT {
		type nat hook output priority -100; policy accept;
		ip daddr != 127.0.0.0/8 fib daddr type local counter jump nat-prerouting-and-output
	}
	chain nat-PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter jump nat-prerouting-and-output
	}
	chain nat-prerouting-and-output {
		iifname != "bridge1" tcp dport 8080 counter dnat to 192.0.2.2:80 comment "DNAT"
		iifname != "bridge1" ip daddr 127.0.0.1 tcp dport 8081 counter dnat to 192.0.2.2:81 comment "DNAT"
	}
}
END`

const podman = `nft -f - <<'END'
table inet netavark {
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local jump NETAVARK-HOSTPORT-DNAT
	}
	chain NETAVARK-HOSTPORT-DNAT { tcp dport 8080 jump nv_1_dnat; }
	chain nv_1_dnat { tcp dport 8080 dnat ip to 10.88.0.2:80; }
}
END`

// byHand forwards, and clamps on the same occasion.
const byHand = `nft -f - <<'END'
table inet mine {
	chain pre {
		type nat hook prerouting priority dstnat; policy accept;
		udp dport 1195 redirect to :1194
		iifname "wan0" tcp dport 2222 dnat ip to 10.0.0.5:22
	}
	chain through {
		type filter hook forward priority 0; policy accept;
		tcp flags syn tcp option maxseg size set rt mtu
	}
	chain outgoing {
		type nat hook output priority -100; policy accept;
		tcp dport 3333 dnat ip to 10.0.0.5:22
	}
}
END`

func TestPublished(t *testing.T) {
	labtest.Need(t, "peers", "iptables-nft", "nft")
	for _, c := range []struct{ name, script, want string }{
		{"nothing", "true", ""},
		{"Docker", docker, "tcp/8080 Docker, udp/53 Docker"},
		{"Docker with nftables", dockerNft, "tcp/8080 Docker"},
		{"Docker, for this host only", "iptables-nft -t nat -N DOCKER; iptables-nft -t nat -A PREROUTING -j DOCKER; iptables-nft -t nat -A DOCKER -d 127.0.0.1/32 -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80", ""},
		{"Podman", podman, "tcp/8080 Podman"},
		{"by hand", byHand, "tcp/2222, udp/1195"},
		{"by hand with iptables", "iptables-nft -t nat -A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22", "tcp/2222"},
		{"two hands", docker + "\niptables-nft -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.1:80", "tcp/8080 Docker, udp/53 Docker"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := labtest.New(t, lab.Options{})
			sh(t, l.Gate, c.script)
			var got []string
			if err := l.Gate.Do(func() error {
				list, err := Published()
				for _, f := range list {
					got = append(got, strings.TrimSuffix(f.Port.String()+" "+f.By, " "))
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

// kubeProxy is what kube-proxy makes of a service with a load balancer, and of
// one within the cluster, with iptables.
const kubeProxy = `for c in KUBE-SERVICES KUBE-EXT-A KUBE-SVC-A KUBE-SEP-A1 KUBE-SEP-A2 KUBE-MARK-MASQ KUBE-NODEPORTS; do iptables-nft -t nat -N $c; done
iptables-nft -t nat -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
iptables-nft -t nat -A KUBE-SERVICES -d 10.91.0.200/32 -p tcp -m comment --comment "default/web loadbalancer IP" -m tcp --dport 443 -j KUBE-EXT-A
iptables-nft -t nat -A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-A
iptables-nft -t nat -A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
iptables-nft -t nat -A KUBE-NODEPORTS -p tcp -m tcp --dport 30443 -j KUBE-EXT-A
iptables-nft -t nat -A KUBE-EXT-A -j KUBE-MARK-MASQ
iptables-nft -t nat -A KUBE-EXT-A -j KUBE-SVC-A
iptables-nft -t nat -A KUBE-SVC-A -m statistic --mode random --probability 0.5 -j KUBE-SEP-A1
iptables-nft -t nat -A KUBE-SVC-A -j KUBE-SEP-A2
iptables-nft -t nat -A KUBE-SEP-A1 -s 10.244.0.5/32 -j KUBE-MARK-MASQ
iptables-nft -t nat -A KUBE-SEP-A1 -p tcp -m tcp -j DNAT --to-destination 10.244.0.5:8080
iptables-nft -t nat -A KUBE-SEP-A2 -p tcp -m tcp -j DNAT --to-destination 10.244.0.6:8080
iptables-nft -t nat -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000`

// kubeProxyNft is the same with nftables.
const kubeProxyNft = `nft -f - <<'END'
table ip kube-proxy {
	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = { 10.91.0.200 . tcp . 443 : goto external-a, 10.96.0.7 . tcp . 80 : goto service-a }
	}
	map service-nodeports { type inet_proto . inet_service : verdict; elements = { tcp . 30443 : goto external-a }; }
	chain nat-prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }
	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
		ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @service-nodeports
	}
	chain external-a { meta mark set meta mark or 0x4000; goto service-a; }
	chain service-a { numgen random mod 2 vmap { 0 : goto endpoint-1, 1 : goto endpoint-2 }; }
	chain endpoint-1 { ip saddr 10.244.0.5 meta mark set 0x4000; meta l4proto tcp dnat to 10.244.0.5:8080; }
	chain endpoint-2 { meta l4proto tcp dnat to 10.244.0.6:8080; }
}
END`

// inCluster: the address within the cluster is not there.
const inCluster = "tcp/443 at 10.91.0.200/32 to 10.244.0.5 tcp/8080, tcp/30443 to 10.244.0.5 tcp/8080"

// Where translated packets were going, and where they go.
func TestWherePublishedPortsLead(t *testing.T) {
	labtest.Need(t, "peers", "iptables-nft", "ip6tables-nft", "nft")
	nft := func(rules ...string) string {
		return "nft -f - <<'END'\ntable inet mine {\nchain pre {\ntype nat hook prerouting priority dstnat;\n" + strings.Join(rules, "\n") + "\n}\n}\nEND"
	}
	for _, c := range []struct{ name, script, want string }{
		{"a load balancer", "iptables-nft -t nat -A PREROUTING -d 10.91.0.200/32 -p tcp --dport 443 -j DNAT --to-destination 10.244.0.5:8080",
			"tcp/443 at 10.91.0.200/32 to 10.244.0.5 tcp/8080"},
		{"IPv6", "ip6tables-nft -t nat -A PREROUTING -d 2001:db8:9::5/128 -p tcp --dport 443 -j DNAT --to-destination [2001:db8:1::5]:8443",
			"tcp/443 at 2001:db8:9::5/128 to 2001:db8:1::5 tcp/8443"},
		{"kube-proxy", kubeProxy, inCluster},
		{"kube-proxy with nftables", kubeProxyNft, inCluster},
		{"redirected", "iptables-nft -t nat -A PREROUTING -p tcp --dport 443 -j REDIRECT --to-ports 2222", "tcp/443 here tcp/2222"},
		{"redirected with nftables", nft("tcp dport 443 redirect to :2222"), "tcp/443 here tcp/2222"},
		{"a set of ports", nft("tcp dport { 80, 443 } dnat ip to 10.0.0.5"), "tcp/80 to 10.0.0.5, tcp/443 to 10.0.0.5"},
		{"ranges", nft("udp dport 6000-6010 dnat ip to 10.0.0.5", "tcp dport { 7000-7005, 8000 } redirect to :22"),
			"tcp/7000-7005 here tcp/22, tcp/8000 here tcp/22, udp/6000-6010 to 10.0.0.5"},
		{"a map", nft("dnat ip to tcp dport map { 80 : 10.0.0.5, 81 : 10.0.0.6 }"), "tcp/80 to 10.0.0.5, tcp/81 to 10.0.0.6"},
		{"several ports of iptables", "iptables-nft -t nat -A PREROUTING -p tcp -m multiport --dports 80,8000:8010 -j DNAT --to-destination 10.0.0.5",
			"tcp/80 to 10.0.0.5, tcp/8000-8010 to 10.0.0.5"},
		{"a whole address", nft("ip daddr 203.0.113.9 dnat ip to 10.0.0.9"), "all at 203.0.113.9/32 to 10.0.0.9"},
		{"a prefix", "iptables-nft -t nat -A PREROUTING -d 203.0.112.0/23 -p tcp --dport 22 -j DNAT --to-destination 10.0.0.9", "tcp/22 at 203.0.112.0/23 to 10.0.0.9"},
		{"for nobody", "nft add table inet mine; nft add chain inet mine other\n" + nft("tcp dport 80 ip daddr 127.0.0.1 dnat ip to 10.0.0.5", "ip daddr 192.0.2.1 jump other") +
			"\nnft add rule inet mine other ip daddr 192.0.2.2 tcp dport 22 dnat ip to 10.0.0.5", ""},
		{"of sources", nft("ip saddr { 10.0.0.1, 10.0.0.2, 10.0.1.0 } tcp dport 80 dnat ip to 10.0.0.5"), "tcp/80 to 10.0.0.5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := labtest.New(t, lab.Options{})
			sh(t, l.Gate, c.script)
			var got []string
			if err := l.Gate.Do(func() error {
				list, err := Published()
				for _, f := range list {
					got = append(got, lead(f))
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

// lead writes down where a port leads.
func lead(f Forwarded) string {
	words := []string{f.Port.String()}
	switch {
	case f.Port.Number == 0:
		words[0] = "all"
	case f.Last != f.Port.Number:
		words[0] += fmt.Sprint("-", f.Last)
	}
	if f.At.IsValid() {
		words = append(words, "at", f.At.String())
	}
	if f.To.IsValid() {
		words = append(words, "to", f.To.String())
	}
	if f.Here {
		words = append(words, "here")
	}
	if f.Lands.Number != 0 {
		words = append(words, f.Lands.String())
	}
	return strings.Join(words, " ")
}

func sh(t *testing.T, h *lab.Host, script string) {
	t.Helper()
	if out, err := h.Command(t.Context(), "sh", "-e", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
