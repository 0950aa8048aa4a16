//go:build linux

package firewall

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"

	"sallyport/internal/config"
	"sallyport/internal/gate"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

var update = flag.Bool("update", false, "write the golden rulesets anew")

// everything uses all that a configuration can say.
func everything() *config.Config {
	web := doorTo("web", "tcp/443", "udp/443")
	web.To = prefixes("203.0.113.0/24", "2001:db8:3::/64")
	cfg := guarding(doorTo("ssh", "tcp/22"), web)
	cfg.Gate = config.Gate{
		Policy: config.PolicyAll, Closed: config.ClosedReject, Public: ports("tcp/25", "udp/53"),
		Interfaces: []string{"eth0", "ppp0"}, Trusted: prefixes("192.168.0.0/16", "fd00::/8"),
	}
	return cfg
}

func TestRulesetIsReadable(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]*config.Config{
		"doors":      guarding(doorTo("ssh", "tcp/22")),
		"everything": everything(),
	} {
		w := newWorld(t, lab.Options{})
		w.f = w.newFirewall(Options{Unowned: true}) // how nft shows the flags depends on its version
		w.apply(cfg)
		got := w.nft("list", "table", "inet", tableName)
		path := "testdata/" + name + ".nft"
		if *update {
			w.do(func() error { return os.WriteFile(path, []byte(got), 0o644) })
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s differs (%v); run go test -update and look at the difference:\n%s", path, err, got)
		}
		// nft takes its own listing, so that saving and loading a whole ruleset works.
		w.do(func() error { return w.f.Down() })
		w.nft("-f", path)
	}
}

func TestApplyTwiceIsTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	list := func() string { // without what changes by itself
		return regexp.MustCompile(`(expires|timeout) \w+`).ReplaceAllString(w.nft("list", "table", "inet", tableName), "")
	}
	w.apply(everything())
	w.grant("web", w.Client, time.Hour)
	w.grantSingle("ssh", w.Client)
	first := list()
	w.apply(everything())
	if second := list(); second != first {
		t.Errorf("the second time differs:\n%s\nafter\n%s", second, first)
	}
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	w.apply(everything())
	if third := strings.Count(list(), "web"); third != strings.Count(first, "web")-4 {
		t.Errorf("the third time %d mentions of web, want those without its grants:\n%s", third, list())
	}
}

func TestReloadKeepsGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22"), doorTo("dns", "udp/53")))
	w.grant("ssh", w.Client, time.Hour)
	w.grant("dns", w.Attacker, time.Hour)
	before := w.grants()
	w.closed(w.Client, "udp", at(w.Client.Gate4, 53))

	w.apply(guarding(doorTo("ssh", "tcp/22", "tcp/80"))) // another port, and a door less
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.open(w.Client, "tcp", at(w.Client.Gate4, 80))
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 80))
	w.open(w.Client, "udp", at(w.Client.Gate4, 53))
	after := w.grants()
	if len(after) != 2 || after[0].Door != "ssh" || after[0].Until.Sub(before[2].Until).Abs() > time.Second {
		t.Errorf("grants %+v after %+v", after, before)
	}

	w.apply(guarding(doorTo("ssh", "tcp/80"), doorTo("dns", "udp/53")))
	w.open(w.Client, "tcp", at(w.Client.Gate4, 80))
	w.closed(w.Client, "udp", at(w.Client.Gate4, 53))
	w.apply(guarding(doorTo("ssh", "tcp/22"), doorTo("dns", "udp/53")))
	for _, g := range w.grants() {
		if g.Door != "ssh" {
			t.Errorf("a grant came back with its door: %+v", g)
		}
	}
}

// A used single grant does not come back with a reload.
func TestReloadKeepsSingleGrantsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	cfg := guarding(doorTo("ssh", "tcp/22"), doorTo("both", "tcp/80", "udp/53"))
	w.apply(cfg)
	for _, c := range []struct {
		door string
		to   netip.AddrPort
	}{{"ssh", at(w.Client.Gate4, 22)}, {"both", at(w.Client.Gate4, 80)}} {
		w.closed(w.Client, "tcp", c.to)
		w.grantSingle(c.door, w.Client)
		w.apply(cfg)
		w.open(w.Client, "tcp", c.to)
		w.closed(w.Client, "tcp", c.to)
		w.apply(cfg)
		w.closed(w.Client, "tcp", c.to)
	}
}

func TestRefusedBatchChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	w.apply(cfg)
	w.grant("ssh", w.Client, time.Hour)
	before := w.nft("list", "chain", "inet", tableName, "own")
	// The kernel refuses intervals that overlap; the configuration would have.
	a, b := doorTo("a", "tcp/80"), doorTo("b", "tcp/80")
	a.To, b.To = prefixes("203.0.113.0/24"), prefixes("203.0.113.128/25")
	bad := guarding(a, b)
	bad.Gate.Policy = config.PolicyAll
	if err := w.tryApply(bad); err == nil {
		t.Fatal("the kernel took it")
	}
	if after := w.nft("list", "chain", "inet", tableName, "own"); after != before {
		t.Errorf("changed:\n%s\nafter\n%s", after, before)
	}
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.open(w.Attacker, "tcp", at(w.Client.Gate4, 80))
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
	w.do(func() error { return w.f.Revoke(w.Client.IP4, "ssh") })
}

func TestNothingForeignIsTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.nft(`table inet other { set sallyport { type ipv4_addr; elements = { 192.0.2.9 }; }; chain in { type filter hook input priority 0; tcp dport 2222 drop; }; }; table ip sallyport { chain prerouting { tcp dport 1 drop; }; };`)
	list := func() string {
		return w.nft("list", "table", "inet", "other") + w.nft("list", "table", "ip", tableName)
	}
	before := list()
	w.apply(everything())
	w.grant("ssh", w.Client, time.Hour)
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	w.do(func() error { return w.f.Down() })
	if after := list(); after != before {
		t.Errorf("changed:\n%s\nafter\n%s", after, before)
	}
}

func TestDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	for range 2 {
		w.do(func() error { return w.f.Down() })
	}
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	if err := w.f.Grant(gate.Grant{Door: "ssh", Source: w.Client.IP4, Until: time.Now().Add(time.Hour)}, time.Now()); err == nil {
		t.Error("granted without a table")
	}
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	// A process that has died leaves a table to which nobody holds the keys.
	w.do(func() error { return w.f.Close() })
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.do(w.newFirewall(Options{}).Down)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
}

// To the kernel a closed socket and a killed process are the same.
func TestTableOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]Options{"owned": {}, "unowned": {Unowned: true}} {
		w := newWorld(t, lab.Options{})
		w.f = w.newFirewall(opts)
		cfg := guarding(doorTo("ssh", "tcp/22"), doorTo("both", "tcp/80", "udp/53"))
		w.apply(cfg)
		w.grant("ssh", w.Client, time.Hour)
		w.grantSingle("both", w.Client)
		before := w.grants()
		w.do(w.f.Close)
		w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
		w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
		w.f = w.newFirewall(opts)
		w.apply(cfg)
		w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
		after := w.grants()
		if len(before) != 4 || len(after) != len(before) {
			t.Fatalf("%s: grants %+v, want %+v", name, after, before)
		}
		for i, g := range after {
			if off := g.Until.Sub(before[i].Until).Abs(); off > time.Second || g.Client != "client" || g.Single != (g.Door == "both") {
				t.Errorf("%s: grant %+v, want %+v", name, g, before[i])
			}
		}
		w.open(w.Client, "tcp", at(w.Client.Gate4, 80))
		w.closed(w.Client, "tcp", at(w.Client.Gate4, 80))
	}
}

// From a table without owner to one with, as after an update of the kernel.
func TestTableWithOtherFlagsIsBuiltAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	if !w.f.Owned() {
		t.Skip("the kernel has no persistent owned tables")
	}
	cfg := guarding(doorTo("ssh", "tcp/22"))
	w.f = w.newFirewall(Options{Unowned: true})
	w.apply(cfg)
	w.grant("ssh", w.Client, time.Hour)
	w.grantSingle("ssh", w.Attacker)
	w.do(w.f.Close)
	w.f = w.newFirewall(Options{})
	w.apply(cfg)
	if grants := w.grants(); len(grants) != 2 || grants[0].Client != "client" {
		t.Errorf("grants %+v, want the two lasting ones", grants)
	}
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
}

func TestTableOfAnUnknownLayoutIsBuiltAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.nft(`table inet sallyport { set doors { type ipv4_addr; }; chain prerouting { type filter hook input priority 0; }; }`)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.grant("ssh", w.Client, time.Hour)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
}

func TestTableOfALivingProcessIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	if !w.f.Owned() {
		t.Skip("the kernel has no persistent owned tables")
	}
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	second := w.newFirewall(Options{})
	err := w.Gate.Do(func() error { return second.Apply(guarding()) })
	if err == nil || !strings.Contains(err.Error(), "belongs to another process") {
		t.Errorf("apply: %v", err)
	}
	if err := second.Down(); err == nil || !strings.Contains(err.Error(), "belongs to another process") {
		t.Errorf("down: %v", err)
	}
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
}

func TestOwnedTableCannotBeFlushed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	if !w.f.Owned() {
		t.Skip("the kernel has no persistent owned tables")
	}
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	w.nft("flush", "ruleset")
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.grant("ssh", w.Client, time.Hour)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
}

// watch counts how often somebody else has changed the table.
func (w *world) watch(changed func()) *atomic.Int64 {
	w.t.Helper()
	var n atomic.Int64
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.f.Watch(ctx, func() { changed(); n.Add(1) }) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Errorf("watch: %v", err)
		}
	})
	return &n
}

func TestFlushedTableComesBackWithinASecond(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newWorld(t, lab.Options{})
	w.f = w.newFirewall(Options{Unowned: true})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	w.apply(cfg)
	w.grant("ssh", w.Client, time.Hour)
	s := w.connect(w.Client, at(w.Client.Gate4, 22))
	live := w.grants()
	w.watch(func() {
		if present, err := w.f.Present(); present || err != nil {
			t.Errorf("the table is present: %t, %v", present, err)
		}
		if err := w.tryApply(cfg); err != nil {
			t.Error(err)
		}
		if err := w.f.GrantAll(live, time.Now()); err != nil {
			t.Error(err)
		}
	})
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
	w.nft("flush", "ruleset")
	deadline := time.Now().Add(time.Second)
	for w.probe(w.Attacker, "tcp", at(w.Attacker.Gate4, 22), silence) == lab.Open {
		if time.Now().After(deadline) {
			t.Fatal("the door is still open after a second")
		}
	}
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.lives(s, "after the flush")
}

// Whoever gets in while the table is gone is out again when it is back.
func TestSessionsBegunWithoutTheTableEndWithItsReturn(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newWorld(t, lab.Options{})
	old := w.connect(w.Client, at(w.Client.Gate4, 22)) // before tracking
	w.f = w.newFirewall(Options{Unowned: true})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	w.apply(cfg)
	w.nft("flush", "ruleset")
	intruder := w.connect(w.Attacker, at(w.Attacker.Gate4, 22))
	w.apply(cfg)
	if _, err := fmt.Fprintln(intruder, "hello"); err != nil {
		t.Fatal(err)
	}
	w.do(func() error { return intruder.SetDeadline(time.Now().Add(2 * silence)) })
	if line, err := intruder.r.ReadString('\n'); err == nil {
		t.Errorf("the intruder is still in: %q", line)
	}
	w.lives(old, "after the table came back")
}

func TestWatchTellsOfOthersOnly(t *testing.T) {
	t.Parallel()
	labtest.Need(t, "peers", "nft")
	w := newWorld(t, lab.Options{})
	w.f = w.newFirewall(Options{Unowned: true})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	n := w.watch(func() {})
	w.apply(cfg)
	for range 100 {
		w.grant("ssh", w.Client, time.Hour)
	}
	w.apply(cfg)
	w.nft("add", "table", "inet", "other")
	w.nft("add", "table", "ip", tableName)
	for i, change := range []string{
		"add rule inet sallyport own accept",
		"add element inet sallyport granted4 { 192.0.2.99 . tcp . 22 }",
		"flush chain inet sallyport door",
		"delete table inet sallyport",
	} {
		w.nft(strings.Fields(change)...)
		w.eventually(change, func() bool { return n.Load() == int64(i+1) })
	}
}

func TestForeignElementsAreNoGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.f = w.newFirewall(Options{Unowned: true})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	for _, element := range []string{
		`192.0.2.90 . tcp . 22`,
		`192.0.2.91 . tcp . 22 timeout 1h`,
		`192.0.2.92 . tcp . 22 timeout 1h comment "Not A Name"`,
		`192.0.2.93 . tcp . 80 timeout 1h comment "ssh alice"`,
		`192.0.2.94 . tcp . 22 timeout 1h comment "web alice"`,
	} {
		w.nft("add", "element", "inet", tableName, "granted4", "{", element, "}")
	}
	if grants := w.grants(); len(grants) != 0 {
		t.Errorf("grants %+v", grants)
	}
	if !strings.Contains(w.log.String(), "elements=3") {
		t.Errorf("the log does not tell: %s", &w.log)
	}
}

func TestThousandDoors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	doors := []config.Door{doorTo("ssh", "tcp/22"), doorTo("web", "tcp/80", "tcp/443")}
	for i := range 1000 {
		doors = append(doors, doorTo(fmt.Sprintf("door-%d", i), fmt.Sprintf("tcp/%d", 10000+i)))
	}
	start := time.Now()
	w.apply(guarding(doors...))
	w.apply(guarding(doors...))
	t.Logf("twice in %s", time.Since(start))
	for _, door := range []string{"ssh", "web", "door-999"} {
		w.grantSingle(door, w.Client)
	}
	if n := len(w.grants()); n != 6 {
		t.Errorf("%d grants, want 6", n)
	}
	w.closed(w.Attacker, "tcp", at(w.Attacker.Gate4, 22))
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.open(w.Client, "tcp", at(w.Client.Gate4, 80))
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 80))
}

func TestCountersOutliveReloadAndProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22"), doorTo("dns", "udp/53")))
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.closed(w.Client, "udp", at(w.Client.Gate4, 53))
	w.do(w.f.Close)
	w.f = w.newFirewall(Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22"), doorTo("web", "tcp/80")))
	c, err := w.f.Counters()
	if err != nil {
		t.Fatal(err)
	}
	ssh, dns, web := ports("tcp/22")[0], ports("udp/53")[0], ports("tcp/80")[0]
	if _, kept := c.Doors[dns]; c.Total < 2 || c.Doors[ssh] == 0 || c.Doors[web] != 0 || kept {
		t.Errorf("%+v", c)
	}
}

func TestGrantRefusesNonsense(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	now := time.Now()
	for name, g := range map[string]gate.Grant{
		"no such door":  {Door: "web", Source: w.Client.IP4, Until: now.Add(time.Hour)},
		"no source":     {Door: "ssh", Until: now.Add(time.Hour)},
		"over":          {Door: "ssh", Source: w.Client.IP4, Until: now},
		"long ago":      {Door: "ssh", Source: w.Client.IP4},
		"client's name": {Door: "ssh", Source: w.Client.IP4, Until: now.Add(time.Hour), Client: "Alice B"},
	} {
		if err := w.f.Grant(g, now); err == nil {
			t.Errorf("%s: granted", name)
		}
	}
	mapped := netip.AddrFrom16(w.Client.IP4.As16())
	w.do(func() error {
		return w.f.Grant(gate.Grant{Door: "ssh", Source: mapped, Until: now.Add(time.Hour)}, now)
	})
	if grants := w.grants(); len(grants) != 1 || grants[0].Source != w.Client.IP4 {
		t.Errorf("grants %+v, want one for the IPv4 address", grants)
	}
}

// kernel simulates one that refuses.
func kernel(refuse func(netlink.Message) unix.Errno) nltest.Func {
	return func(requests []netlink.Message) ([]netlink.Message, error) {
		for _, m := range requests {
			if errno := refuse(m); errno != 0 {
				return nltest.Error(int(errno), []netlink.Message{m})
			}
		}
		return nil, nil
	}
}

func TestKernelsThatCannot(t *testing.T) {
	newTable := netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE)
	flags := func(m netlink.Message) (flags uint32) {
		ad, _ := netlink.NewAttributeDecoder(m.Data[4:])
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			if ad.Type() == unix.NFTA_TABLE_FLAGS {
				flags = ad.Uint32()
			}
		}
		return flags
	}
	for _, c := range []struct {
		name   string
		refuse func(netlink.Message) unix.Errno
		owned  bool
		err    string
	}{
		{"all is well", func(netlink.Message) unix.Errno { return 0 }, true, ""},
		{"before 6.9", func(m netlink.Message) unix.Errno {
			if m.Header.Type == newTable && flags(m) != 0 {
				return unix.EOPNOTSUPP
			}
			return 0
		}, false, ""},
		{"before 5.12", func(m netlink.Message) unix.Errno {
			if m.Header.Type == newTable && flags(m) != 0 {
				return unix.EINVAL
			}
			return 0
		}, false, ""},
		{"no capability", func(netlink.Message) unix.Errno { return unix.EPERM }, false, "CAP_NET_ADMIN"},
		{"no nf_tables", func(netlink.Message) unix.Errno { return unix.EOPNOTSUPP }, false, "modprobe nf_tables"},
	} {
		conn, err := nftables.New(nftables.AsLasting(), nftables.WithTestDial(kernel(c.refuse)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := newFirewall(nil, Options{}, conn)
		if c.err == "" && (err != nil || f.Owned() != c.owned) {
			t.Errorf("%s: %v, owned is not %t", c.name, err, c.owned)
		}
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.err)
		}
	}
}
