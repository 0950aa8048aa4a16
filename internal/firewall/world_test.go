//go:build linux

package firewall

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

func TestMain(m *testing.M) { labtest.Main(m) }

const (
	patience = labtest.Patience
	silence  = labtest.Silence
)

// world is a lab with a firewall on its gate. The gate greets on tcp/22, tcp/80
// and echoes on udp/53.
type world struct {
	*lab.Lab
	t   testing.TB
	f   *Firewall
	log bytes.Buffer
}

func newWorld(t testing.TB, opts lab.Options) *world {
	t.Helper()
	w := &world{Lab: labtest.New(t, opts), t: t}
	w.f = w.newFirewall(Options{})
	for _, port := range []uint16{22, 80} {
		w.do(func() error { _, err := w.Gate.Greet(netip.AddrPortFrom(netip.IPv6Unspecified(), port)); return err })
	}
	w.do(func() error { _, err := w.Gate.Echo(netip.AddrPortFrom(netip.IPv6Unspecified(), 53)); return err })
	return w
}

// onKernels runs a test as on a kernel of today, and as on one that knows neither
// owners of tables nor messages to destroy.
func onKernels(t *testing.T, test func(*world)) {
	t.Parallel()
	for name, opts := range map[string]Options{"new": {}, "old": {Unowned: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, lab.Options{})
			w.f = w.newFirewall(opts)
			test(w)
		})
	}
}

func (w *world) do(f func() error) {
	w.t.Helper()
	if err := f(); err != nil {
		w.t.Fatal(err)
	}
}

// newFirewall connects to the gate's kernel once more.
func (w *world) newFirewall(opts Options) (f *Firewall) {
	w.t.Helper()
	w.do(func() error {
		return w.Gate.Do(func() (err error) {
			f, err = New(slog.New(slog.NewTextHandler(&w.log, nil)), opts)
			return err
		})
	})
	w.t.Cleanup(func() { _ = f.Close() }) // may be closed already
	return f
}

func (w *world) tryApply(cfg *config.Config) error {
	return w.Gate.Do(func() error { return w.f.Apply(cfg) })
}

func (w *world) apply(cfg *config.Config) {
	w.t.Helper()
	w.do(func() error { return w.tryApply(cfg) })
}

// grant opens a door to a host, for both its addresses.
func (w *world) grant(door string, h *lab.Host, d time.Duration) {
	w.t.Helper()
	w.grantAs(door, h, d, false)
}

func (w *world) grantSingle(door string, h *lab.Host) {
	w.t.Helper()
	w.grantAs(door, h, time.Hour, true)
}

func (w *world) grantAs(door string, h *lab.Host, d time.Duration, single bool) {
	w.t.Helper()
	now := time.Now()
	for _, source := range []netip.Addr{h.IP4, h.IP6} {
		w.do(func() error {
			return w.f.Grant(event.Grant{Door: door, Source: source, Client: h.Name, Until: now.Add(d), Single: single}, now)
		})
	}
}

func (w *world) grants() []event.Grant {
	w.t.Helper()
	grants, err := w.f.Grants(time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return grants
}

func (w *world) ports() labtest.Ports { return labtest.Ports{T: w.t} }

func (w *world) probe(h *lab.Host, network string, to netip.AddrPort, timeout time.Duration) lab.Answer {
	w.t.Helper()
	return w.ports().Probe(h, network, to, timeout)
}

func (w *world) open(h *lab.Host, network string, to netip.AddrPort) {
	w.t.Helper()
	w.ports().Is(h, network, to, lab.Open)
}

func (w *world) closed(h *lab.Host, network string, to netip.AddrPort) {
	w.t.Helper()
	w.ports().Is(h, network, to, lab.Silent)
}

func (w *world) refused(h *lab.Host, network string, to netip.AddrPort) {
	w.t.Helper()
	w.ports().Is(h, network, to, lab.Refused)
}

// closes waits until a port that is open closes by itself.
func (w *world) closes(h *lab.Host, network string, to netip.AddrPort) {
	w.t.Helper()
	w.ports().Closes(h, network, to)
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	w.ports().Eventually(what, ok)
}

// nft runs the program nft on the gate.
func (w *world) nft(args ...string) string { w.t.Helper(); return w.nftOn(w.Gate, args...) }

func (w *world) nftOn(h *lab.Host, args ...string) string {
	w.t.Helper()
	labtest.Need(w.t, "peers", "nft")
	out, err := h.Command(w.t.Context(), "nft", args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dialogue is an established connection.
type dialogue struct {
	net.Conn
	r *bufio.Reader
}

func (w *world) connect(h *lab.Host, to netip.AddrPort) *dialogue {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	conn, err := h.Dial(ctx, "tcp", to.String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	s := &dialogue{conn, bufio.NewReader(conn)}
	if _, err := s.r.ReadString('\n'); err != nil {
		w.t.Fatalf("no greeting: %v", err)
	}
	return s
}

// lives requires that a session still carries data both ways.
func (w *world) lives(s *dialogue, when string) {
	w.t.Helper()
	w.do(func() error { return s.SetDeadline(time.Now().Add(patience)) })
	if _, err := fmt.Fprintln(s, when); err != nil {
		w.t.Fatalf("%s: the session is cut: %v", when, err)
	}
	if line, err := s.r.ReadString('\n'); err != nil || line != when+"\n" {
		w.t.Fatalf("%s: the session is cut: %q, %v", when, line, err)
	}
}

var ports = packet.MustPorts

func prefixes(list ...string) (p []netip.Prefix) {
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

func doorTo(name string, list ...string) config.Door {
	return config.Door{Name: name, Ports: ports(list...)}
}

// guarding returns a configuration with doors.
func guarding(doors ...config.Door) *config.Config {
	return &config.Config{Gate: config.Gate{Policy: config.PolicyDoors, Closed: config.ClosedDrop}, Doors: doors}
}

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
