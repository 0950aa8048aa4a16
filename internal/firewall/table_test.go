//go:build linux

package firewall

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/packet"
)

var update = flag.Bool("update", false, "write the golden rulesets again")

// everything uses all that a configuration can say.
func everything() *config.Config {
	web := doorTo("web", "tcp/443", "udp/443")
	web.To = prefixes("203.0.113.0/24", "2001:db8:3::/64")
	mail := doorTo("mail", "tcp/993")
	mail.Widen4, mail.Widen6 = 24, 64
	cfg := guarding(doorTo("ssh", "tcp/22"), web, mail)
	cfg.Gate = config.Gate{
		Policy: config.PolicyAll, Closed: config.ClosedReject, Public: ports("tcp/25", "udp/53"),
		Interfaces: []string{"eth0", "ppp0", "wg*"}, Trusted: prefixes("192.168.0.0/16", "fd00::/8"),
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
		// The numbers of flow labels are the machine's, and of this boot.
		got = regexp.MustCompile(`mod \d+ seed 0x\w+ offset \d+`).ReplaceAllString(got, "mod 1048575 seed 0x1 offset 1610612737")
		path := "testdata/" + name + ".nft"
		if *update {
			w.do(func() error { return os.WriteFile(path, []byte(got), 0o644) })
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s differs (%v); run go test -update and look at the difference, first at %s", path, err, firstDifference(got, string(want)))
		}
		// nft takes its own listing, so that saving and loading a whole ruleset works.
		w.do(func() error { return w.f.Down() })
		if i := slices.IndexFunc(delicate, func(rule string) bool { return strings.Contains(got, rule) && !w.takes(rule) }); i >= 0 {
			t.Logf("%s: this nft makes of %q what this kernel refuses", name, delicate[i])
			continue
		}
		w.nft("-f", path)
	}
}

// flowLabel is what the golden rulesets have of flow labels. Of it nft before 1.0.7
// makes an expression (byteorder, of the size 2 for 4 bytes) that kernels refuse since they check it.
const flowLabel = "@nh,0,32 set jhash @nh,64,256 . @th,0,32 mod 1048575 seed 0x1 offset 1610612737"

// delicate is what old versions of nft make something else of than we do, which new
// kernels refuse.
var delicate = []string{flowLabel, "ip daddr . meta l4proto . th dport @forward4"}

// takes reports whether the kernel accepts what nft makes of a rule.
func (w *world) takes(rule string) bool {
	w.t.Helper()
	w.nft("add table inet probe { set forward4 { type ipv4_addr . inet_proto . inet_service; flags interval; }; chain c { }; }")
	defer w.nft("delete table inet probe")
	if rule == flowLabel {
		rule = "meta nfproto ipv6 tcp flags rst " + rule
	}
	return w.Gate.Command(w.t.Context(), "nft", "add rule inet probe c "+rule).Run() == nil
}

// firstDifference shows the first lines of two texts that are not the same.
func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < min(len(a), len(b))-1 && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("line %d:\n%s\nwant:\n%s", i+1, a[i], b[i])
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
	w.do(func() error { return w.f.Revoke(event.Grant{Source: w.Client.IP4, Door: "ssh"}) })
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

// Grants are given while others are listed and the configuration is applied.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	cfg := guarding(doorTo("ssh", "tcp/22"), doorTo("both", "tcp/80", "udp/53"))
	w.apply(cfg)
	now := time.Now()
	const n = 50
	var group errgroup.Group
	for worker := range 4 {
		group.Go(func() error {
			for i := range n {
				g := event.Grant{Door: "both", Source: source(worker*n + i), Until: now.Add(time.Hour), Single: i%2 == 0}
				if err := w.f.Grant(g, now); err != nil {
					return err
				}
				if err := w.f.Revoke(event.Grant{Source: source(worker*n + i - 1), Door: "both", Single: i%2 == 1}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		for range n / 2 {
			if err := w.tryApply(cfg); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		for range n {
			_, err := w.f.Grants(now)
			_, err2 := w.f.Counters()
			if err := errors.Join(err, err2); err != nil {
				return err
			}
		}
		return nil
	})
	w.do(group.Wait)
	for _, g := range w.grants() {
		if i := int(g.Source.As4()[2])<<8 | int(g.Source.As4()[3]); i%n != n-1 {
			t.Errorf("%+v was revoked", g)
		}
	}
}

func TestGrantRefusesNonsense(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	now := time.Now()
	for name, g := range map[string]event.Grant{
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
		return w.f.Grant(event.Grant{Door: "ssh", Source: mapped, Until: now.Add(time.Hour)}, now)
	})
	if grants := w.grants(); len(grants) != 1 || grants[0].Source != w.Client.IP4 {
		t.Errorf("grants %+v, want one for the IPv4 address", grants)
	}
}

// kernel simulates one that refuses.

// The mark of a plan changes with whatever grants depend on, and with nothing else.
func TestMark(t *testing.T) {
	t.Parallel()
	ssh, web := doorTo("ssh", "tcp/22"), doorTo("web", "tcp/80", "udp/80")
	mark := func(doors ...config.Door) string { return newPlan(nil, guarding(doors...)).mark() }
	wide, slow := web, web
	wide.Widen4, slow.OpenFor = 24, time.Hour
	want := mark(ssh, web)
	for name, got := range map[string]string{"order of doors": mark(web, ssh), "time": mark(ssh, slow)} {
		if got != want {
			t.Errorf("%s: another mark", name)
		}
	}
	for name, got := range map[string]string{
		"door gone": mark(ssh), "renamed": mark(ssh, doorTo("www", "tcp/80", "udp/80")),
		"port gone": mark(ssh, doorTo("web", "tcp/80")), "other protocol": mark(ssh, doorTo("web", "tcp/80", "tcp/443")), "prefix": mark(ssh, wide),
	} {
		if got == want {
			t.Errorf("%s: the same mark", name)
		}
	}
}

// A list of grants takes minutes if there are very many. Nothing waits for it.
func TestListHoldsNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	cfg := guarding(doorTo("ssh", "tcp/22"))
	w.apply(cfg)
	ssh := at(w.Client.Gate4, 22)
	w.closed(w.Client, "tcp", ssh)

	w.f.lister.mu.Lock() // as while the kernel lists
	defer w.f.lister.mu.Unlock()
	w.grant("ssh", w.Client, time.Hour)
	w.open(w.Client, "tcp", ssh)
	if _, err := w.f.Counters(); err != nil {
		t.Error(err)
	}
	w.apply(cfg)
	w.do(func() error {
		return w.f.Revoke(event.Grant{Door: "ssh", Source: w.Client.IP4})
	})
	w.closes(w.Client, "tcp", ssh)
}

// A rule has a size that it may not exceed, so what grows with the ports of a
// door must not be one rule. The service listens on the last port.
func TestDoorsOfManyPorts(t *testing.T) {
	onKernels(t, func(w *world) {
		var sizes []int
		for n := 1; n <= 3*portsPerRule; n++ {
			sizes = append(sizes, n)
		}
		for _, n := range append(sizes, 50, 100, 200, config.MaxPorts) {
			door := config.Door{Name: "many", Widen4: 24}
			for i := range n - 1 {
				door.Ports = append(door.Ports, packet.Port{Proto: []packet.Proto{packet.TCP, packet.UDP}[i%2], Number: uint16(20_000 + i)})
			}
			door.Ports = append(door.Ports, ports("tcp/22")...)
			w.apply(guarding(door))
			if n > 1 && n%50 != 0 && n < config.MaxPorts {
				continue
			}
			ssh := at(w.Client.Gate4, 22)
			w.closed(w.Client, "tcp", ssh)
			w.grantSingle("many", w.Client)
			s := w.connect(w.Client, ssh)
			w.closed(w.Client, "tcp", ssh)
			w.lives(s, "after the second was refused")
			w.grant("many", w.Client, time.Hour)
			// Both that last, and the single one that nobody has used.
			if got := len(w.grants()); got != 3 {
				w.t.Errorf("%d ports: %d grants, want 3", n, got)
			}
			w.open(w.Client, "tcp", ssh)
			for _, g := range w.grants() {
				w.do(func() error { return w.f.Revoke(g) })
			}
			w.closed(w.Client, "tcp", ssh)
			if got := len(w.grants()); got != 0 {
				w.t.Errorf("%d ports: %d grants are left", n, got)
			}
		}
	})
}

// A set of grants that is full refuses the next one with words, and takes it as
// soon as there is room.
func TestFullSetOfGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.f.sets.granted[0].Size = 3
	cfg := guarding(doorTo("both", "tcp/22", "tcp/80"))
	p := newPlan(w.f.table, cfg)
	p.sets.granted[0].Size = 3
	w.do(func() error {
		return w.Gate.Do(func() error { w.f.mu.Lock(); defer w.f.mu.Unlock(); return w.f.put(&installed{}, p, nil) })
	})
	now := time.Now()
	g := func(i int) event.Grant {
		return event.Grant{Door: "both", Source: source(i), Until: now.Add(time.Hour)}
	}
	w.do(func() error { return w.f.Grant(g(1), now) })
	if err := w.f.Grant(g(2), now); err == nil || !strings.Contains(err.Error(), "a set of grants is full") {
		t.Errorf("%v", err)
	}
	if n := len(w.grants()); n != 1 {
		t.Errorf("%d grants", n)
	}
	w.do(func() error { return w.f.Revoke(g(1)) })
	w.do(func() error { return w.f.Grant(g(2), now) })
}
