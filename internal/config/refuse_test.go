package config

import (
	"fmt"
	"strings"
	"testing"
)

const (
	wantPorts  = `want ports in quotes, such as ["tcp/22", "udp/60000-60050"]`
	wantOpen   = `want a duration in quotes, such as "30s", 1s to 24h`
	wantName   = `want a name of 1 to 32 characters, a-z 0-9 . _ -, beginning with a letter or digit`
	wantAddr   = `is not an address: want one such as "192.0.2.7", "192.168.1.0/24" or "2001:db8::/32", without leading zeros`
	wantClosed = `want knocks on closed ports only`
	wantScan   = `sequence: any scan of the ports in order opens this door: want at least one port out of order or out of reach of the one before`
	wantTables = `want api, ban, client, daemon, detect, door, fleet, gate, group, hook, journal, metrics, moat, rotating, spa or webhook` // a new section is added here
	wantDate   = `want a date such as 2027-01-31 (UTC) or 2027-01-31T18:00:00+01:00`
)

// door writes a door with a sequence.
func door(name, port string, knocks ...string) string {
	return fmt.Sprintf(`{name=%q, ports=[%q], sequence=["%s"]}`, name, port, strings.Join(knocks, `","`))
}

func doors(list ...string) string { return "door=[" + strings.Join(list, ",") + "]" }

func knocks(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("tcp/%d", 100+i%2*10)
	}
	return list
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d = 1\n", i)
	}
	return b.String()
}

// One mistake, one line: everything after the path of the main file.
func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct{ toml, want string }{
		// A fleet.
		{"fleet.ca = '/a'", `:1: fleet: endpoints is missing: want servers of etcd in quotes, such as ["etcd1.example.org:2379"]`},
		{fleetOn + "fleet.ca = '/a'", `:2: fleet: ca, cert and key go together: set all three`},
		{"gate.name='a'\nfleet.endpoints = ['192.0.2.1:2379']", `:2: fleet: endpoints: who reaches etcd would not be proved: set ca, cert and key, or use addresses of loopback`},
		{"fleet.endpoints = ['127.0.0.1:2379']", `:1: fleet: a gate of a fleet has a name: set name in [gate]`},
		{fleetOn + "[[door]]\nname='ssh'\nports=['tcp/22']\nwithout_fleet = '1s'", `:6: door "ssh": without_fleet = "1s": want "open", "closed" or a duration such as "24h", 10s to 30d`},
		{"[[door]]\nname='ssh'\nports=['tcp/22']\nwithout_fleet = '1h'", `:4: door "ssh": without_fleet means nothing without [fleet]: remove it, or set endpoints there`},
		{"[[door]]\nname='ssh'\nports=['tcp/22']\nshared = 'edge'", `:4: door "ssh": shared means nothing without [fleet]: remove it, or set endpoints there`},
		{fleetOn + "[[door]]\nname='ssh'\nports=['tcp/22']\nshared_unbound = true", `:6: door "ssh": shared_unbound means nothing without shared`},
		{fleetOn + "[[door]]\nname='ssh'\nports=['tcp/22']\nsingle=true\nshared = 'edge'", `:7: door "ssh": shared: one connection alone cannot be counted at several gates: remove single, or shared`},
		{"gate.name='a'\nfleet.endpoints = ['127.0.0.1']", `:2: fleet: endpoints: "127.0.0.1" is no server: want host and port, such as "etcd1.example.org:2379" or "[2001:db8::1]:2379"`},
		{"gate.name='a'\nfleet.endpoints = ['127.1:2379']", `:2: fleet: endpoints: want the address or the name of a host, in small letters`},

		// TOML itself.
		{"[gate]\n\npolicy = ", `:3: is not valid TOML: expected value, not end of input`},
		{"[gate]\npolicy \"all\"", `:2: is not valid TOML: expected '=' after key`},
		{"[gate]\n[spa]\n[gate]", `:3: is not valid TOML: table gate already exists`},
		{"spa.port = 0123", `:1: is not valid TOML: integers cannot have leading zeroes`},
		{doors(aDoor) + "\nclient=[{name='bob', doors=['ssh'], key='" + aKey + "', expires=2026-02-31}]", `:2: is not valid TOML: impossible date` + "\n" + main + `:2: client "bob": expires = 2026-02-31: ` + wantDate},
		{"[spa]\nack = true\nport = 1\nack = true", `:4: "ack" is already set at ` + main + `:2`},
		{"gate.policy = 'all'\n[gate.policy]", `:2: "policy" is already set at ` + main + `:1`},
		{"[gate]\n[[gate]]", `:2: "gate" is already set at ` + main + `:1`},
		{"a = '" + "\xff" + "'", `:1: is not UTF-8 text: save the file as UTF-8`},
		{"# \ufffd\n\n\xc3", `:3: is not UTF-8 text: save the file as UTF-8`},
		{"", `: is empty: want at least a comment, or no file`},
		{"\n# \x00", `:2: holds a NUL byte: want UTF-8 text`},
		{"\ufeff[gate]", `:1: starts with a byte order mark: save the file as UTF-8 without one`},

		{"[spa.x]\n" + strings.Repeat("#\n", 8) + manyKeys(1001), `:1: spa: unknown key "x": want ack, authorized_keys, clock_skew, fwknop_other_source, fwknop_port, port, require_bound, server_key or stun` + "\n" + main + `:1010: more than 1000 keys in one table`},

		// Unknown keys and wrong types.
		{strings.Repeat("k", 99) + " = 1", `:1: unknown key "` + strings.Repeat("k", 60) + `…": ` + wantTables},
		{"gate.trusted = ['" + strings.Repeat("1", 99) + "']", `:1: gate: trusted = "` + strings.Repeat("1", 60) + `…": want addresses in quotes, such as ["192.168.1.0/24"]`},
		{"clock_skew = 1", `:1: unknown key "clock_skew": ` + wantTables},
		{"[deamon]", `:1: unknown key "deamon": did you mean "daemon"?`},
		{"[[doors]]", `:1: unknown key "doors": did you mean "door"?`},
		{"[gate]\ninterface = []", `:2: gate: unknown key "interface": did you mean "interfaces"?`},
		{"[gate]\nblocked = []", `:2: gate: unknown key "blocked": want closed, interfaces, name, policy, public, rotation_due, timezone or trusted`},
		{doors(`{name="ssh", ports=["tcp/22"], "open-for"="3s"}`), `:1: door "ssh": unknown key "open-for": did you mean "open_for"?`},
		{"[door]\nname = 'a'", `:1: "door" is not a list of tables: write each as [[door]]`},
		{"door = ['a']", `:1: "door" is not a list of tables: write each as [[door]]`},
		{"[[gate]]\n", `:1: "gate" is not a table: write it as [gate]`},
		{"spa = 1", `:1: "spa" is not a table: write it as [spa]`},
		{"spa.ack = 'yes'", `:1: spa: ack = "yes": want true or false`},
		{"gate.policy = []", `:1: gate: policy = […]: want "doors" or "all"`},
		{"gate.policy = {}", `:1: gate: policy = {…}: want "doors" or "all"`},
		{"gate.policy = 'open'", `:1: gate: policy = "open": want "doors" or "all"`},
		{"gate.closed = 'DROP'", `:1: gate: closed = "DROP": want "drop" or "reject"`},

		// [daemon]
		{"daemon.state_dir = 'var'", `:1: daemon: state_dir = "var": want an absolute path`},
		{"daemon.state_dir = ''", `:1: daemon: state_dir = "": want an absolute path`},
		{"daemon.socket = '/" + strings.Repeat("s", 107) + "'", `:1: daemon: socket has 108 characters: want at most 107, the kernel's limit`},

		// [gate]
		{"gate.public = ['tcp/80']", `:1: gate: public means nothing with policy "doors", which closes doors only: remove it, or set policy = "all"`},
		{"gate.policy = 'all'\ngate.public = [\n'tcp/80',\n'tcp/80']", `:4: gate: public: "tcp/80" is listed twice`},
		{"gate.policy = 'all'\ngate.public = ['tcp/22']\n" + doors(aDoor), `:2: gate: public: tcp/22 is a port of door "ssh": a port is public or has a door, not both`},
		{"gate.policy = 'all'\ngate.public = ['udp/99']\nspa.port = 99", `:3: spa: port 99 is public as udp/99 at ` + main + `:2: a port for messages must be closed`},
		{"gate.interfaces = ['lo']", `:1: gate: interfaces: "lo" is never gated: remove it`},
		{"gate.interfaces = ['eth 0']", `:1: gate: interfaces: "eth 0" is not the name of an interface: want 1 to 15 characters other than spaces and / : * + @`},
		{"gate.interfaces = ['sixteencharacter']", `:1: gate: interfaces: "sixteencharacter" is not the name of an interface: want 1 to 15 characters other than spaces and / : * + @`},
		{"gate.interfaces = ['ens+']", `:1: gate: interfaces: "ens+" is not the name of an interface: want a whole name, or its beginning and a star, such as "ens*"`},
		{"gate.interfaces = ['eth0.100@eth0']", `:1: gate: interfaces: "eth0.100@eth0" is not the name of an interface: want a whole name, or its beginning and a star, such as "eth0.100*"`},
		{"gate.interfaces = ['e*h0']", `:1: gate: interfaces: "e*h0" is not the name of an interface: want a whole name, or its beginning and a star, such as "e*"`},
		{"gate.interfaces = ['*']", `:1: gate: interfaces: "*" is every interface: leave interfaces out, which gates all but loopback`},
		{"gate.interfaces = 'eth0'", `:1: gate: interfaces = "eth0": want names of interfaces in quotes, such as ["eth0", "ppp*"]`},
		{"gate.trusted = ['192.168.1.0/33']", `:1: gate: trusted: "192.168.1.0/33" ` + wantAddr},
		{"gate.trusted = ['localhost']", `:1: gate: trusted: "localhost" ` + wantAddr},
		{"gate.trusted = ['010.001.001.001']", `:1: gate: trusted: "010.001.001.001" ` + wantAddr},
		{"gate.trusted = ['010.001.001.0/24']", `:1: gate: trusted: "010.001.001.0/24" ` + wantAddr},
		{"gate.trusted = ['10.0.0.0/08']", `:1: gate: trusted: "10.0.0.0/08" ` + wantAddr},
		{"gate.trusted = ['192.168.1.7/24']", `:1: gate: trusted: "192.168.1.7/24" has bits set behind its length: want "192.168.1.0/24", or "192.168.1.7" for the one address`},
		{"gate.trusted = ['::ffff:192.0.2.1']", `:1: gate: trusted: "::ffff:192.0.2.1" is IPv4 written as IPv6: want "192.0.2.1"`},
		{"gate.trusted = ['::ffff:10.0.0.0/104']", `:1: gate: trusted: "::ffff:10.0.0.0/104" is IPv4 written as IPv6: want "10.0.0.0/8"`},
		{"gate.trusted = ['fe80::1%eth0']", `:1: gate: trusted: "fe80::1%eth0" has a zone: want an address without one`},
		{"gate.trusted = ['0.0.0.0/0']", `:1: gate: trusted: "0.0.0.0/0" trusts every address, which leaves all doors open: name the networks that you trust`},
		{"gate.trusted = ['::/0']", `:1: gate: trusted: "::/0" trusts every address, which leaves all doors open: name the networks that you trust`},

		// [spa]
		{"spa.port = -1", `:1: spa: port = -1: want 0 to 65535`},
		{"spa.port = 70000", `:1: spa: port = 70000: want 0 to 65535`},
		{"spa.port = 9e3", `:1: spa: port = 9e3: want a number, 0 to 65535`},
		{"spa.port = 'udp/4'", `:1: spa: port = "udp/4": want a number, 0 to 65535`},
		{"spa.clock_skew = '9s'", `:1: spa: clock_skew = "9s": want 10s to 10m`},
		{"spa.server_key = 'server.key'", `:1: spa: server_key = "server.key": want an absolute path`},
		{"spa.authorized_keys = '~/keys'", `:1: spa: authorized_keys = "~/keys": want an absolute path`},

		// [[door]]
		{doors(`{ports=["tcp/22"]}`), `:1: door: name is missing: ` + wantName},
		{doors(`{name="", ports=["tcp/22"]}`), `:1: door: name = "": ` + wantName},
		{doors(`{name="SSH", ports=["tcp/22"]}`), `:1: door: name = "SSH": ` + wantName},
		{doors(`{name="-a", ports=["tcp/22"]}`), `:1: door: name = "-a": ` + wantName},
		{doors(`{name=7, ports=["tcp/22"]}`), `:1: door: name = 7: ` + wantName},
		{doors(`{name="` + strings.Repeat("a", 33) + `", ports=["tcp/22"]}`), `:1: door: name = "` + strings.Repeat("a", 33) + `": ` + wantName},
		{"[[door]]\nname='a'\nports=['tcp/1']\n[[door]]\nname='a'\nports=['tcp/2']", `:4: door "a": already defined at ` + main + `:1`},
		{doors(`{name="a"}`), `:1: door "a": ports is missing: want at least one port, such as ["tcp/22"]`},
		{doors(`{name="a", ports=["tcp/0"]}`), `:1: door "a": ports: port number "0" in "tcp/0" is out of range: want 1 to 65535`},
		{doors(`{name="a", ports=["tcp/70000"]}`), `:1: door "a": ports: port number "70000" in "tcp/70000" is out of range: want 1 to 65535`},
		{doors(`{name="a", ports=["tcp/abc"]}`), `:1: door "a": ports: port number "abc" in "tcp/abc" is out of range: want 1 to 65535`},
		{doors(`{name="a", ports=["sctp/22"]}`), `:1: door "a": ports: unknown protocol "sctp" in "sctp/22": want tcp or udp`},
		{doors(`{name="a", ports=["22"]}`), `:1: door "a": ports: "22" is not a port: want tcp/NUMBER or udp/NUMBER`},
		{doors(`{name="a", ports=[22]}`), `:1: door "a": ports = 22: ` + wantPorts},
		{doors(`{name="a", ports="tcp/22"}`), `:1: door "a": ports = "tcp/22": ` + wantPorts},
		{doors(`{name="a", ports=["tcp/22", "tcp/22"]}`), `:1: door "a": ports: "tcp/22" is listed twice`},
		{doors(`{name="a", ports=["udp/60010", "udp/60000-60050"]}`), `:1: door "a": ports: "udp/60000-60050" has udp/60010, which is listed twice`},
		{doors(`{name="a", ports=["udp/60050-60000"]}`), `:1: door "a": ports: "udp/60050-60000" is not a range of ports: want one such as "udp/60000-60050"`},
		{doors(`{name="a", ports=["udp/1-1025"]}`), `:1: door "a": ports has 1025 ports: want at most 1024 for a door`},
		{doors(`{name="a", ports=["tcp/1-9"]}`, `{name="b", ports=["tcp/5-15"]}`), `:1: door "b": ports: tcp/5 is a port of door "a" already, at /etc/sallyport/sallyport.toml:1`},
		{"gate.policy = 'all'\ngate.public = ['tcp/1-9']\n" + doors(`{name="a", ports=["tcp/5-15"]}`), `:2: gate: public: tcp/5 is a port of door "a": a port is public or has a door, not both`},
		{doors(aDoor, `{name="b", ports=["tcp/22"]}`), `:1: door "b": ports: tcp/22 is a port of door "ssh" already, at ` + main + `:1`},
		{"spa.port = 22\n" + doors(`{name="a", ports=["udp/22"]}`), `:2: door "a": ports: udp/22 is a port of [spa]: choose another there`},
		{doors(`{name="a", ports=["tcp/1"], open_for="-3s"}`), `:1: door "a": open_for = "-3s": want a duration such as "30s", 1s to 24h`},
		{doors(`{name="a", ports=["tcp/1"], open_for="0"}`), `:1: door "a": open_for = "0": want a duration such as "30s", 1s to 24h`},
		{doors(`{name="a", ports=["tcp/1"], open_for="8760h"}`), `:1: door "a": open_for = "8760h": want 1s to 24h`},
		{doors(`{name="a", ports=["tcp/1"], open_for="forever"}`), `:1: door "a": open_for = "forever": want a duration such as "30s", 1s to 24h`},
		{doors(`{name="a", ports=["tcp/1"], open_for=30}`), `:1: door "a": open_for = 30: ` + wantOpen},
		{doors(`{name="a", ports=["tcp/1"], open_for=inf}`), `:1: door "a": open_for = inf: ` + wantOpen},
		{doors(`{name="a", ports=["tcp/1"], single=1}`), `:1: door "a": single = 1: want true or false`},
		{doors(`{name="a", ports=["tcp/1"], to=["10.0.0.1/8"]}`), `:1: door "a": to: "10.0.0.1/8" has bits set behind its length: want "10.0.0.0/8", or "10.0.0.1" for the one address`},
		{doors(`{name="a", ports=["tcp/1"], within="5s"}`), `:1: door "a": within means nothing without a sequence: remove it, or add a sequence`},
		{doors(`{name="a", ports=["tcp/1"], sequence=["tcp/9","tcp/5"], within="1ms"}`), `:1: door "a": within = "1ms": want 100ms to 10m`},

		// Sequences.
		{doors(`{name="a", ports=["tcp/1"], sequence=[]}`), `:1: door "a": sequence has 0 knocks: want 2 to 16`},
		{doors(door("a", "tcp/1", "tcp/7")), `:1: door "a": sequence has 1 knock: want 2 to 16`},
		{doors(door("a", "tcp/1", knocks(17)...)), `:1: door "a": sequence has 17 knocks: want 2 to 16`},
		{doors(door("a", "tcp/1", "tcp/7", "icmp/8")), `:1: door "a": sequence: unknown protocol "icmp" in "icmp/8": want tcp or udp`},
		{doors(door("a", "tcp/1", "tcp/7000", "tcp/1", "tcp/9")), `:1: door "a": sequence: tcp/1 is a port of door "a": ` + wantClosed},
		{doors(aDoor, door("a", "tcp/1", "tcp/7000", "tcp/22", "tcp/9")), `:1: door "a": sequence: tcp/22 is a port of door "ssh": ` + wantClosed},
		{"gate.policy='all'\ngate.public=['tcp/80']\n" + doors(door("a", "tcp/1", "tcp/80", "tcp/9")), `:3: door "a": sequence: tcp/80 is public: ` + wantClosed},
		{"spa.port=99\n" + doors(door("a", "tcp/1", "udp/99", "tcp/9")), `:2: door "a": sequence: udp/99 is a port of [spa]: want other ports`},
		{doors(door("a", "tcp/1", "tcp/7", "tcp/8", "tcp/9")), `:1: door "a": ` + wantScan},
		{doors(door("a", "tcp/1", "udp/9", "udp/8", "udp/7")), `:1: door "a": ` + wantScan},
		{doors(door("a", "tcp/1", "tcp/7", "tcp/7")), `:1: door "a": ` + wantScan},
		{doors(door("a", "tcp/1", "tcp/7", "tcp/7", "tcp/8")), `:1: door "a": ` + wantScan},
		{doors(door("a", "tcp/8", "tcp/7", "tcp/9")), `:1: door "a": ` + wantScan},
		{doors(door("a", "tcp/8", "tcp/9", "tcp/7")), `:1: door "a": ` + wantScan},
		{"gate.policy='all'\ngate.public=['tcp/3','tcp/4']\nspa.port=2\n" + doors(door("a", "tcp/8", "tcp/2", "tcp/5")), `:4: door "a": ` + wantScan},
		{doors(door("a", "tcp/1", "tcp/9", "udp/4"), door("b", "tcp/2", "tcp/9", "udp/4", "tcp/9")), `:1: door "a": sequence: that of door "b" at ` + main + `:1 begins with it, so knocking that opens this door too: change one of them`},

		// [[client]]
		{"client=[{}]", `:1: client: name is missing: ` + wantName + "\n" + main + `:1: client: key is missing: want a public key in quotes, such as "ssh-ed25519 AAAA… alice@laptop", or rotating, or both; or fwknop` + "\n" + main + `:1: client: doors is missing: want at least one name of a door, such as ["ssh"]`},
		{"client=[{name='bob', doors=['x'], key='" + aKey + "'}]", `:1: client "bob": doors: there is no door "x"`},
		{doors(aDoor) + "\nclient=[{name='bob', doors=['ssh','ssh'], key='" + aKey + "'}]", `:2: client "bob": doors: "ssh" is listed twice`},
		{doors(aDoor) + "\nclient=[{name='bob', doors=['ssh'], key=7}]", `:2: client "bob": key = 7: want a public key in quotes, such as "ssh-ed25519 AAAA… alice@laptop"`},
		{doors(aDoor) + "\nclient=[" + alice + ",\n" + alice + "]", `:3: client "alice": already defined at ` + main + ":2\n" + main + `:3: client "alice": key: client "alice" has the same key at ` + main + `:2: want a key of its own`},
		{doors(aDoor) + "\nclient=[" + alice + ",\n{name='bob', doors=['ssh'], key='" + aKey + "'}]", `:3: client "bob": key: client "alice" has the same key at ` + main + `:2: want a key of its own`},
		{doors(aDoor) + "\nclient=[{name='bob', doors=['ssh'], key='" + aKey + "', from=['10.1.1.1/8']}]", `:2: client "bob": from: "10.1.1.1/8" has bits set behind its length: want "10.0.0.0/8", or "10.1.1.1" for the one address`},
		{doors(aDoor) + "\nclient=[{name='bob', doors=['ssh'], key='" + aKey + "', expires='soon'}]", `:2: client "bob": expires = "soon": ` + wantDate},
		{doors(aDoor) + "\nclient=[{name='bob', doors=['ssh'], key='" + aKey + "', expires=2027-01-31T18:00:00}]", `:2: client "bob": expires = 2027-01-31T18:00:00: ` + wantDate},
		{doors(aDoor) + "\nclient=[{name='bob', doors=['ssh'], key='" + aKey + "', expires=18:00:00}]", `:2: client "bob": expires = 18:00:00: ` + wantDate},
		{doors(aDoor) + "\nclient=[{name='bob', doors=['ssh'], key='" + aKey + "', max_open='25h'}]", `:2: client "bob": max_open = "25h": want 1s to 24h`},
		{doors(aDoor) + "\nclient=[{name='bob', doors=['ssh'], key='" + aKey + "', colour='x'}]", `:2: client "bob": unknown key "colour": want caep, changed, doors, expires, from, fwknop, hours, key, label, max_grants, max_open, name, rotating, rotating_previous, rotating_previous_until, single, stun or suites`},
	} {
		name, _, _ := strings.Cut(strings.TrimPrefix(c.want, ":"), "want")
		t.Run(name, func(t *testing.T) { refuses(t, tree("sallyport.toml", c.toml), main+c.want) })
	}
}

// What is close to a mistake, and is none.
func TestLoadAccepts(t *testing.T) {
	for _, toml := range []string{
		doors(door("a", "tcp/1", "tcp/7", "tcp/8", "tcp/11")), // a scan goes on to 9
		doors(door("a", "tcp/1", "tcp/7", "udp/8", "tcp/9")),  // two protocols
		doors(door("a", "tcp/1", "tcp/7", "tcp/8", "tcp/7")),  // up and down
		doors(door("a", "udp/8", "tcp/7", "tcp/9")),           // tcp/8 is no door
		doors(door("a", "tcp/1", knocks(16)...)),              // the longest
		doors(door("a", "tcp/65535", "tcp/65534", "tcp/1")),   // the ends of the range
		doors(door("a", "tcp/1", "tcp/9", "udp/4"), door("b", "tcp/2", "tcp/9", "udp/5", "tcp/9")),
		"spa.port = 22\n" + doors(aDoor), // tcp/22 is another port
		"gate.trusted = ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', '::1']",
		"gate.policy = 'doors'\ngate.public = []",
		"spa.port = 0x9d_81",
		"[[door]]\r\nname = 'a'\r\nports = ['tcp/1']\r\nopen_for = '24h'\r\n",
		"door = []",
		"# nothing",
	} {
		if _, err := Load(tree("sallyport.toml", toml), main); err != nil {
			t.Errorf("%s\n%v", toml, err)
		}
	}
}
