//go:build linux

package beside

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

const vpn = `
[gate]
closed = "reject"
[[door]]
name = "vpn"
ports = ["udp/51820"]
open_for = "1h"
`

// tunnel is WireGuard between client and gate, with a service at its far end.
type tunnel struct {
	*world
	service netip.AddrPort
	peer    string // the gate's key
}

func newTunnel(w *world) *tunnel {
	w.t.Helper()
	w.empty("/run") // for the sockets of both ends
	tun := &tunnel{world: w, service: netip.MustParseAddrPort("10.9.0.1:8443")}
	w.greet(w.Gate, tun.service.Port())
	var public [2]string
	for i, h := range []*lab.Host{w.Gate, w.Client} {
		key := filepath.Join(w.dir, h.Name+".key")
		if err := os.WriteFile(key, []byte(w.run(h, "wg", "genkey")), 0o600); err != nil {
			w.t.Fatal(err)
		}
		public[i] = strings.TrimSpace(w.run(h, "sh", "-c", "wg pubkey < "+key))
		w.background(h, nil, "wireguard-go", "-f", "wg-"+h.Name)
		w.Eventually("wireguard-go runs", func() bool { _, err := w.try(h, "wg", "show", "wg-"+h.Name); return err == nil })
		w.run(h, "wg", "set", "wg-"+h.Name, "private-key", key, "listen-port", "51820")
		w.run(h, "ip", "address", "add", []string{"10.9.0.1/24", "10.9.0.2/24"}[i], "dev", "wg-"+h.Name)
		w.run(h, "ip", "link", "set", "wg-"+h.Name, "up")
	}
	tun.peer = public[0]
	w.run(w.Gate, "wg", "set", "wg-gate", "peer", public[1], "allowed-ips", "10.9.0.2/32")
	tun.keepalive("1")
	w.run(w.Client, "wg", "set", "wg-client", "peer", tun.peer, "allowed-ips", "10.9.0.0/24", "endpoint", w.Client.Gate4.String()+":51820")
	return tun
}

// keepalive sets how often the client sends something.
func (tun *tunnel) keepalive(seconds string) {
	tun.t.Helper()
	tun.run(tun.Client, "wg", "set", "wg-client", "peer", tun.peer, "persistent-keepalive", seconds)
}

// shaken reports whether the two have ever agreed on keys.
func (tun *tunnel) shaken() bool {
	tun.t.Helper()
	out := strings.Fields(tun.run(tun.Client, "wg", "show", "wg-client", "latest-handshakes"))
	return len(out) == 2 && out[1] != "0"
}

func (tun *tunnel) through() { tun.t.Helper(); tun.Open(tun.Client, "tcp", tun.service) }

// dead requires that nothing comes through, by several tries of the client's
// WireGuard, which shakes hands each five seconds.
func (tun *tunnel) dead() {
	tun.t.Helper()
	if got := tun.Probe(tun.Client, "tcp", tun.service, 6*time.Second); got == lab.Open {
		tun.t.Fatal("the tunnel lives")
	}
}

// WireGuard behind a door: the port looks like every other closed one, the
// tunnel begins after the knock and outlives the grant; another address of the
// client, and a flow that the kernel has forgotten, need another knock.
func TestWireGuard(t *testing.T) {
	w := newWorld(t, lab.Options{}, "wireguard-go", "wg", "ip", "sh")
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		labtest.Lacking(t, "peers", err)
	}
	tun := newTunnel(w)
	w.guard(vpn, "vpn")
	w.Is(w.Attacker, "udp", at(w.Attacker, 51820), lab.Refused)
	tun.dead()
	if tun.shaken() {
		t.Fatal("they shake hands without a knock")
	}
	w.sallyport(w.Client, "knock", "gate")
	tun.through()
	w.Is(w.Attacker, "udp", at(w.Attacker, 51820), lab.Refused)

	s := w.session(tun.service)
	w.sallyport(w.Gate, "revoke", "-c", w.served.Config, "--all")
	tun.through()
	w.lives(s)

	w.move("192.0.2.77/24", "192.0.2.2/24")
	tun.dead()
	w.sallyport(w.Client, "knock", "gate")
	tun.through()
	w.lives(s) // it has roamed with its tunnel

	// Without keepalives the flow is forgotten, and the grant is over.
	s.Close()
	tun.keepalive("0")
	if err := w.Gate.Sysctl("net.netfilter.nf_conntrack_udp_timeout_stream", "1"); err != nil {
		t.Fatal(err)
	}
	tun.through() // the kernel counts from here
	w.sallyport(w.Gate, "revoke", "-c", w.served.Config, "--all")
	w.Eventually("the flow is forgotten", func() bool {
		time.Sleep(3 * time.Second) // in which nothing may ask for the service
		return w.Probe(w.Client, "tcp", tun.service, 2*time.Second) != lab.Open
	})
	w.sallyport(w.Client, "knock", "gate")
	tun.through()

	// Cut, it stays cut for as long as the gate has nothing to send.
	if err := w.Gate.Sysctl("net.netfilter.nf_conntrack_udp_timeout_stream", "120"); err != nil {
		t.Fatal(err)
	}
	tun.through()
	w.sallyport(w.Gate, "revoke", "-c", w.served.Config, "--client", "alice", "--cut")
	tun.dead()
}

// move gives the client another address.
func (w *world) move(to, from string) {
	w.t.Helper()
	if err := w.Client.RemoveAddress("eth0", netip.MustParsePrefix(from)); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Client.AddAddress("eth0", netip.MustParsePrefix(to)); err != nil {
		w.t.Fatal(err)
	}
	w.run(w.Client, "ip", "route", "replace", "default", "via", w.Client.Gate4.String())
}
