//go:build linux

package beside

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

const xrdpConfig = `[Globals]
ini_version=1
fork=false
port=tcp://:3389
security_layer=tls
certificate=%[1]s/rdp.crt
key_file=%[1]s/rdp.key
ssl_protocols=TLSv1.2, TLSv1.3
allow_channels=true
max_bpp=24
[Logging]
LogFile=%[1]s/xrdp.log
LogLevel=INFO
EnableSyslog=false
[Channels]
rdpdr=true
rdpsnd=true
drdynvc=true
cliprdr=true
[Xorg]
name=Xorg
lib=libxup.so
username=ask
password=ask
ip=127.0.0.1
port=-1
`

// desktop is a host behind the gate that serves a remote desktop, and a client
// with a screen.
type desktop struct {
	*world
	display string
}

func newDesktop(w *world) *desktop {
	w.t.Helper()
	w.empty("/run")
	config := filepath.Join(w.dir, "xrdp.ini")
	if err := os.WriteFile(config, fmt.Appendf(nil, xrdpConfig, w.dir), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Mkdir("/run/xrdp", 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.run(w.Inside, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=desktop", "-days", "2",
		"-keyout", filepath.Join(w.dir, "rdp.key"), "-out", filepath.Join(w.dir, "rdp.crt"))
	w.background(w.Inside, nil, "xrdp", "--nodaemon", "--config", config)
	if _, err := w.Inside.Echo(netip.MustParseAddrPort("[::]:3389")); err != nil { // xrdp speaks no UDP; Windows does
		w.t.Fatal(err)
	}
	_, out := w.background(w.Client, nil, "Xvfb", "-displayfd", "1", "-screen", "0", "800x600x16", "-nolisten", "tcp")
	d := &desktop{world: w}
	w.Eventually("there is a screen", func() bool {
		for _, word := range strings.Fields(out.String()) {
			d.display = word
		}
		return strings.HasSuffix(out.String(), "\n")
	})
	return d
}

// connect runs the RDP client for a host, by a command before it.
func (d *desktop) connect(to string, before ...string) (end func()) {
	d.t.Helper()
	words := append(before, "xfreerdp", "/v:"+to, "/cert:ignore", "/log-level:ERROR")
	end, _ = d.background(d.Client, []string{"DISPLAY=:" + d.display}, words[0], words[1:]...)
	return end
}

// sessions counts desktops that are shown to an address: connections whose TLS
// is agreed on, and that the server still has.
func (d *desktop) sessions(from netip.Addr) int {
	d.t.Helper()
	shown, _ := os.ReadFile(filepath.Join(d.dir, "xrdp.log"))
	out := d.run(d.Inside, "ss", "-Htn", "state", "established", "sport", "=", ":3389", "dst", from.String())
	return min(strings.Count(string(shown), "TLS connection established from "+from.String()), strings.Count(out, "\n"))
}

// A remote desktop behind a gate: as a host that the gate routes to, and as a
// port that it publishes. Nobody sees it; "sallyport run" opens it for as long as
// the client runs; the session outlives the grant, and another address of the
// client needs another knock.
func TestRDP(t *testing.T) {
	for name, to := range map[string]string{"routed": "203.0.113.2", "published": "192.0.2.1"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, lab.Options{Inside: true}, "xrdp", "xfreerdp", "Xvfb", "openssl", "nft", "ss", "ip")
			d := newDesktop(w)
			door := "[[door]]\nname = \"rdp\"\nports = [\"tcp/3389\", \"udp/3389\"]\nopen_for = \"1h\"\n"
			if name == "routed" {
				door += "to = [\"203.0.113.2/32\"]\n"
			} else {
				w.run(w.Gate, "nft", `add table ip mine
					add chain ip mine pre { type nat hook prerouting priority dstnat; }
					add rule ip mine pre fib daddr type local meta l4proto { tcp, udp } th dport 3389 dnat to 203.0.113.2`)
			}
			target := netip.AddrPortFrom(netip.MustParseAddr(to), 3389)
			w.Eventually("the desktop is served", func() bool { return w.Probe(w.Client, "tcp", target, labtest.Silence) == lab.Open })
			w.guard(door, "rdp")
			shut := func(h *lab.Host) {
				t.Helper()
				w.Closed(h, "tcp", target)
				w.Closed(h, "udp", target)
			}
			shut(w.Client)
			shut(w.Attacker)

			end := d.connect(to, w.served.Executable, "run", "gate", "--")
			w.Eventually("the desktop is shown", func() bool { return d.sessions(w.Client.IP4) == 1 })
			w.Open(w.Client, "udp", target)
			shut(w.Attacker)
			w.sallyport(w.Gate, "revoke", "-c", w.served.Config, "--all")
			w.Closed(w.Client, "tcp", target)
			if d.sessions(w.Client.IP4) != 1 {
				t.Error("the session has ended with the grant")
			}
			end() // which the server hears, so that the session carried something until here
			w.Eventually("the session ends", func() bool { return d.sessions(w.Client.IP4) == 0 })

			w.sallyport(w.Client, "knock", "gate")
			w.Open(w.Client, "tcp", target)
			w.move("192.0.2.77/24", "192.0.2.2/24")
			shut(w.Client)
			d.connect(to, w.served.Executable, "run", "gate", "--")
			w.Eventually("the desktop is shown again", func() bool { return d.sessions(netip.MustParseAddr("192.0.2.77")) == 1 })
		})
	}
}
