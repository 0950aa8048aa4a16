//go:build linux

package firewall

import (
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lab"
)

func TestDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	w.closed(w.Client, "tcp", at(w.Client.Gate4, 22))
	for range 2 {
		w.do(func() error { return w.f.Down() })
	}
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	if err := w.f.Grant(event.Grant{Door: "ssh", Source: w.Client.IP4, Until: time.Now().Add(time.Hour)}, time.Now()); err == nil {
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
