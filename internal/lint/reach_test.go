package lint

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/packet"
)

// found writes down what rules about ways to a port say of a configuration.
func found(t *testing.T, text string, host *Facts) string {
	t.Helper()
	var list []string
	for _, p := range Exposed(load(t, Example{Config: text}), host) {
		list = append(list, fmt.Sprintf("%s %s: %s", p.Severity, p.Rule, p.Text))
	}
	return strings.Join(list, "\n")
}

func TestTranslatedPorts(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("198.51.100.0/28")}
	at := func(text string) netip.Prefix {
		if text == "" {
			return netip.Prefix{}
		}
		return netip.MustParsePrefix(text)
	}
	dnat := func(ports string, last uint16, where, to, lands string) Forwarded {
		f := Forwarded{At: at(where)}
		if ports != "" {
			f.Port, f.Last = port(ports), max(last, port(ports).Number)
		}
		if to == "here" {
			f.Here = true
		} else {
			f.To = netip.MustParseAddr(to)
		}
		if lands != "" {
			f.Lands = port(lands)
		}
		return f
	}
	const door = "[[door]]\nname = \"web\"\nports = [\"tcp/443\", \"tcp/2222\"]\n"
	behind := door + "to = [\"203.0.113.0/24\"]\n"
	for _, c := range []struct {
		name, config string
		rule         Forwarded
		want         string
	}{
		{"a container", door, dnat("tcp/8080", 0, "", "172.17.0.2", "tcp/80"), ""},
		{"a container behind a door", door, dnat("tcp/443", 0, "", "172.17.0.2", "tcp/8443"), ""},
		{"a container with a port like a door's", door, dnat("tcp/8080", 0, "", "172.17.0.2", "tcp/443"), ""},
		{"a load balancer", door, dnat("tcp/443", 0, "10.91.0.200/32", "10.244.0.5", "tcp/8080"),
			`warning translated-address: door "web": tcp/443 is translated at 10.91.0.200, no address of this host: there it is open`},
		{"a load balancer that the door guards", behind, dnat("tcp/443", 0, "203.0.113.9/32", "10.244.0.5", "tcp/8080"), ""},
		{"an own address", door, dnat("tcp/443", 0, "192.0.2.1/32", "10.244.0.5", "tcp/8080"), ""},
		{"an own address by a route", door, dnat("tcp/443", 0, "198.51.100.7/32", "10.244.0.5", "tcp/8080"), ""},
		{"another port of a load balancer", door, dnat("tcp/80", 0, "10.91.0.200/32", "10.244.0.5", "tcp/8080"), ""},
		{"a range", door, dnat("tcp/400", 500, "10.91.0.200/32", "10.244.0.5", ""),
			`warning translated-address: door "web": tcp/443 is translated at 10.91.0.200, no address of this host: there it is open`},
		{"a whole address", door, dnat("", 0, "10.91.0.200/32", "10.0.0.5", ""),
			`info translated-address: door "web": tcp/443 is translated at 10.91.0.200, no address of this host: there it is open` + "\n" +
				`info translated-address: door "web": tcp/2222 is translated at 10.91.0.200, no address of this host: there it is open`},
		{"redirected", door, dnat("tcp/8443", 0, "", "here", "tcp/2222"), `warning leads-to-door: tcp/8443 leads to tcp/2222, which door "web" guards: nobody has to knock there`},
		{"redirected among its own ports", door, dnat("tcp/443", 0, "", "here", "tcp/2222"), ""},
		{"redirected to what is no door", door, dnat("tcp/8443", 0, "", "here", "tcp/80"), ""},
		{"redirected from a range", door, dnat("tcp/8000", 9000, "", "here", "tcp/2222"), `warning leads-to-door: tcp/8000-9000 leads to tcp/2222, which door "web" guards: nobody has to knock there`},
		{"to an own address", door, dnat("tcp/8443", 0, "", "192.0.2.1", "tcp/2222"), `warning leads-to-door: tcp/8443 leads to tcp/2222, which door "web" guards: nobody has to knock there`},
		{"from elsewhere to an own address", door, dnat("tcp/80", 0, "10.91.0.200/32", "192.0.2.1", "tcp/2222"),
			`warning leads-to-door: tcp/80 at 10.91.0.200 leads to tcp/2222, which door "web" guards: nobody has to knock there`},
		{"around a door before another host", behind, dnat("tcp/8443", 0, "", "203.0.113.5", "tcp/443"),
			`warning leads-to-door: tcp/8443 leads to tcp/443, which door "web" guards: nobody has to knock there`},
		{"closed by the policy", "[gate]\npolicy = \"all\"\n\n" + door, dnat("tcp/8443", 0, "", "here", "tcp/2222"), ""},
		{"public", "[gate]\npolicy = \"all\"\npublic = [\"tcp/8443\"]\n\n" + door, dnat("tcp/8443", 0, "", "here", "tcp/2222"),
			`warning leads-to-door: tcp/8443 leads to tcp/2222, which door "web" guards: nobody has to knock there`},
	} {
		if got := found(t, c.config, &Facts{Own: own, Published: []Forwarded{c.rule}}); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestManyTranslationsAreOneProblem(t *testing.T) {
	host := &Facts{Own: ownExample}
	for i := range 10 {
		host.Published = append(host.Published, Forwarded{Port: port("tcp/22"), Last: 22, At: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 96, 0, byte(i)}), 32)})
	}
	want := `warning translated-address: door "ssh": tcp/22 is translated at 10.96.0.0, 10.96.0.1, 10.96.0.2, 10.96.0.3 and 6 others, no address of this host: there it is open`
	if got := found(t, sshDoor, host); got != want {
		t.Errorf("got %s", got)
	}
}

func TestInterfacesThatAreNotThere(t *testing.T) {
	links := &Facts{Links: []string{"lo", "eth0", "eth7", "vmbr0"}, Parts: []Part{{"eth7", "vmbr0"}}}
	for _, c := range []struct{ config, want string }{
		{"[gate]\ninterfaces = [\"eth0\"]\n", ""},
		{"[gate]\ninterfaces = [\"eth0\", \"eth1\"]\n", "warning missing-interface: no interface eth1 here: nothing is gated by it"},
		{"[gate]\ninterfaces = [\"eth0\", \"ppp*\"]\n", "warning missing-interface: no interface ppp* here: nothing is gated by it"},
		{"[gate]\ninterfaces = [\"vmbr0\", \"eth*\"]\n", ""},
		{"[gate]\ninterfaces = [\"eth0\", \"eth7\"]\n", "warning missing-interface: eth7 is a part of vmbr0, by which its packets come: nothing is gated by it"},
		{"[gate]\ninterfaces = [\"eth7\"]\n", "error missing-interface: nothing is gated (eth7 is a part of vmbr0, by which its packets come): every door is open"},
		{"[gate]\ninterfaces = [\"ens5\", \"eth1\"]\n", "error missing-interface: nothing is gated (no interface ens5 here, no interface eth1 here): every door is open"},
	} {
		if got := found(t, c.config+sshDoor, links); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.config, got, c.want)
		}
		if got := found(t, c.config+sshDoor, &Facts{}); got != "" {
			t.Errorf("%s: of an unknown host: %s", c.config, got)
		}
	}
}

// What we print ourselves as a sequence is one that others try.
func TestOwnExamplesAreKnown(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	run := regexp.MustCompile(`(?:(?:tcp|udp)/\d+[" ,]+){3,}(?:tcp|udp)/\d+`)
	n := 0
	for _, file := range append(files, "../../README.md", "../config/reference.toml") {
		if filepath.Base(file) == "PROTOCOL.md" {
			continue // steps of a rotating secret: each has had its time
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range run.FindAllString(string(text), -1) {
			var knocks []packet.Port
			for _, word := range strings.FieldsFunc(match, func(r rune) bool { return strings.ContainsRune(`", `, r) }) {
				knocks = append(knocks, port(word))
			}
			n++
			_, even := arithmetic(knocks)
			half := 0
			for _, k := range knocks {
				if scanned(k.Number) {
					half++
				}
			}
			if weak := even || ordered(knocks) || 2*half >= len(knocks); !weak && !published(knocks) {
				t.Errorf("%s has the sequence %s, which lists.go does not know", file, match)
			}
		}
	}
	if n == 0 {
		t.Error("the documents have no sequences")
	}
}
