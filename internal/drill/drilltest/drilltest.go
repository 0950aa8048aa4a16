// Package drilltest has configurations of gates as people have them, for tests of
// what is made of a configuration: drills and guidelines.
package drilltest

// The names of the gates.
const (
	Server  = "a server"
	Router  = "a router with containers"
	Company = "a company"
)

const key = `key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDDhD78bv1xi7z4WjU6K52xtsZ86oxYkSuJ6lO/7urRq alice@laptop"` + "\n"

// Gates are gates as people have them, by name.
var Gates = map[string]string{
	Server: `
[spa]
port = 40321
[[door]]
name = "ssh"
ports = ["tcp/22"]
sequence = ["tcp/17043", "udp/8124", "tcp/29017", "tcp/6203"]
[[client]]
name = "alice"
doors = ["ssh"]
` + key,
	Router: `
[gate]
trusted = ["192.168.1.0/24"]
interfaces = ["ppp*"]
[spa]
port = 40321
require_bound = true
[[door]]
name = "admin"
ports = ["tcp/22"]
single = true
[[door]]
name = "shop"
ports = ["tcp/8080"]
to = ["172.17.0.0/16"]
sequence = ["udp/17043", "tcp/8124", "udp/29017"]
[[door]]
name = "vpn"
ports = ["udp/51820"]
sequence = ["tcp/12043", "udp/9124", "tcp/25017"]
[[client]]
name = "alice"
doors = ["admin", "vpn"]
` + key,
	Company: `
[gate]
name = "tokyo"
policy = "all"
closed = "reject"
public = ["tcp/443", "tcp/2323", "tcp/2424", "tcp/2525"]
[spa]
port = 40321
[ban]
enabled = true
decoys = ["tcp/2323", "tcp/2424", "tcp/2525"]
[[door]]
name = "ssh"
ports = ["tcp/22"]
hours = ["Mon-Fri 08:00-18:00"]
[[door]]
name = "wiki"
ports = ["tcp/8443"]
[[group]]
name = "office"
doors = ["ssh", "wiki"]
[[client]]
name = "alice"
doors = ["office"]
from = ["198.51.100.0/24"]
max_open = "10m"
` + key + `
[[client]]
name = "bob"
doors = ["wiki"]
rotating = "KVKFKRCPNZQUYMLXOVYDSQKJKZDTSRLD"
`,
}
