//go:build linux

package drill

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"

	"sallyport/internal/config"
	"sallyport/internal/drill/drilltest"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// program builds sallyport, as users have it, or with a tag.
func program(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sallyport")
	args := append(append([]string{"build", "-o", path}, flags...), "sallyport/cmd/sallyport")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// around changes the port of the door before the gate judges it, and back in
// the answers.
func around(g *ground) error {
	if _, err := g.lab.Gate.Greet(netip.AddrPortFrom(netip.IPv6Unspecified(), 2222)); err != nil {
		return err
	}
	return g.lab.Gate.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "around"})
		rewrite := func(hook *nftables.ChainHook, name string, offset uint32, from, to uint16) {
			chain := c.AddChain(&nftables.Chain{Name: name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityRaw})
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
				&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(packet.TCP)}},
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(from)},
				&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(to)},
				&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: 1, Base: expr.PayloadBaseTransportHeader,
					Offset: offset, Len: 2, CsumType: expr.CsumTypeInet, CsumOffset: 16},
			}})
		}
		rewrite(nftables.ChainHookPrerouting, "in", 2, 22, 2222)
		rewrite(nftables.ChainHookPostrouting, "out", 0, 2222, 22)
		return c.Flush()
	})
}

// goneWithIt has the table end with the daemon, as one that is owned and does not persist would.
func goneWithIt(g *ground) error {
	g.kill()
	return g.lab.Gate.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		c.FlushRuleset()
		return c.Flush()
	})
}

// brokenGate is wrong in one way, and the drill names the attack that shows it.
type brokenGate struct {
	name, attack string
	opened       bool // or something else is wrong
	opts         Options
}

// wrongOutside are gates whose configuration or host is wrong.
func wrongOutside() []brokenGate {
	return []brokenGate{
		{"a sequence that a scan hits", "scan-datagrams", true, Options{alter: func(p *plan) {
			p.Doors[0].Sequence = []packet.Port{{Proto: packet.UDP, Number: 2}, {Proto: packet.TCP, Number: 2}, {Proto: packet.UDP, Number: 3}}
		}}},
		{"a rule around the door", "probe-door", true, Options{sabotage: around}},
		{"trusted strangers", "probe-door", true, Options{alter: func(p *plan) { p.Gate.Trusted = []netip.Prefix{p.pool} }}},
		{"trusted strangers, over IPv6", "probe-door-6", true, Options{alter: func(p *plan) { p.Gate.Trusted = []netip.Prefix{p.pool} }}},
		{"nobody looks", "scan-shuffled", false, Options{alter: func(p *plan) { p.Detect.Enabled = false }}},
		{"nobody looks, and time is simulated", "day-near-miss", false, Options{alter: func(p *plan) { p.Detect.Enabled = false }}},
		{"a threshold that nothing reaches", "day-scan-slow", false, Options{alter: func(p *plan) { p.Detect.SlowPorts = 100 }}},
		{"doors that open with the end of the daemon", "daemon-killed", true, Options{sabotage: goneWithIt}},
		{"keys that do not expire", "expired-client", true, Options{alter: func(p *plan) { p.named(p.expired).Expires = time.Time{} }}},
		{"hours that are not kept", "out-of-hours", true, Options{alter: func(p *plan) { clear(p.hours) }}},
		{"places that do not matter", "forbidden-place", true, Options{alter: func(p *plan) { p.owner().From = only(p.pool) }}},
		{"a journal without hashes", "journal-tampered", false, Options{alter: func(p *plan) { p.Journal.Chain = false }}},
		{"grants for a whole network", "nat-neighbour", true, Options{alter: func(p *plan) { p.Doors[0].Widen4 = 16 }}},
	}
}

// wrongInside are gates whose program lacks a check.
func wrongInside(t *testing.T) (list []brokenGate) {
	weakened := program(t, "-tags", "weakened")
	rotating := loaded(t, drilltest.Gates[drilltest.Company])
	for _, w := range []brokenGate{
		{"replay", "replay-same", true, Options{}},
		{"bound", "held-back", true, Options{}},
		{"proof", "stolen-name", true, Options{}},
		{"steps", "overheard-rotating", true, Options{Config: rotating}},
		{"timeout", "daemon-frozen", false, Options{}},
	} {
		w.opts.Executable, w.opts.Env = weakened, []string{"SALLYPORT_WITHOUT=" + w.name}
		w.name = "a program without a check: " + w.name
		list = append(list, w)
	}
	return list
}

// The drill finds what is wrong with gates that are wrong in one way each, and nothing
// where that is not so.
func TestBrokenGatesAreNamed(t *testing.T) {
	labtest.Need(t, "netns")
	if !labtest.Long() {
		t.Skip("it attacks eighteen gates")
	}
	cfg, executable := plain(t), program(t)
	for _, tt := range append(wrongOutside(), wrongInside(t)...) {
		t.Run(tt.name, func(t *testing.T) {
			if tt.opts.Config == nil {
				tt.opts.Config = cfg
			}
			whole := Options{Config: tt.opts.Config, Executable: executable, Env: tt.opts.Env} // a program that is used does not read that
			if tt.opts.Executable == "" {
				tt.opts.Executable = executable
			}
			if r := one(t, tt.attack, whole); r.Verdict != Held {
				t.Fatalf("of a gate that is right: %+v", r)
			}
			r := one(t, tt.attack, tt.opts)
			if r.Verdict != Failed || tt.opened && len(r.Opened) == 0 && !strings.Contains(r.Why, "open for a stranger") {
				t.Errorf("%+v", r)
			}
		})
	}
}

func one(t *testing.T, id string, opts Options) Result {
	t.Helper()
	list := slices.DeleteFunc(Catalogue(), func(a Attack) bool { return a.ID != id })
	results, err := Run(t.Context(), list, opts)
	if err != nil || len(results) != 1 {
		t.Fatal(err, len(results))
	}
	return results[0]
}

// plain is a configuration with one door, and a client with a key.
func plain(t *testing.T) *config.Config {
	t.Helper()
	return loaded(t, drilltest.Gates[drilltest.Server])
}
