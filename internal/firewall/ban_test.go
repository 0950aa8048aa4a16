//go:build linux

package firewall

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lab"
)

func (w *world) ban(a netip.Addr, d time.Duration) {
	w.t.Helper()
	now := time.Now()
	if err := w.f.Ban(event.BannedAs(a), now.Add(d), now); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) bans() []netip.Prefix {
	w.t.Helper()
	list, err := w.f.Bans(time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	var sources []netip.Prefix
	for _, b := range list {
		sources = append(sources, b.Source)
	}
	return sources
}

// A ban is stronger than a grant, cuts no session, survives the process and a new
// configuration, and ends by itself.
func TestBans(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	to4, to6 := netip.AddrPortFrom(w.Client.Gate4, 22), netip.AddrPortFrom(w.Client.Gate6, 22)
	w.grant("ssh", w.Client, time.Minute)
	w.open(w.Client, "tcp", to4)
	session := w.connect(w.Client, to4)

	w.ban(w.Client.IP4, time.Hour)
	w.closed(w.Client, "tcp", to4)
	w.lives(session, "after a ban")
	w.ban(w.Client.IP6.Next(), time.Hour) // its whole /64
	w.closed(w.Client, "tcp", to6)
	want := []netip.Prefix{event.BannedAs(w.Client.IP4), event.BannedAs(w.Client.IP6)}
	if got := w.bans(); !slices.Equal(got, want) {
		t.Errorf("banned are %v, want %v", got, want)
	}

	w.apply(guarding(doorTo("ssh", "tcp/22"), doorTo("web", "tcp/80")))
	w.closed(w.Client, "tcp", to4)

	w.ban(w.Client.IP4, 300*time.Millisecond) // shorter than before
	w.open(w.Client, "tcp", to4)
	if err := w.f.Unban(event.BannedAs(w.Client.IP6)); err != nil {
		t.Fatal(err)
	}
	if got := w.bans(); len(got) != 0 {
		t.Errorf("still banned are %v", got)
	}
	for _, wide := range event.BanLevels(w.Client.IP6)[1:] {
		now := time.Now()
		if err := w.f.Ban(wide, now.Add(time.Hour), now); err != nil {
			t.Fatal(err)
		}
		w.closed(w.Client, "tcp", to6)
		if got := w.bans(); !slices.Equal(got, []netip.Prefix{wide}) {
			t.Errorf("banned are %v, want %v", got, wide)
		}
		if err := w.f.Unban(wide); err != nil {
			t.Fatal(err)
		}
		w.open(w.Client, "tcp", to6)
	}
	if err := w.f.Unban(event.BannedAs(w.Client.IP6)); err != nil {
		t.Errorf("nobody to unban: %v", err)
	}
}

func TestBansThatMakeNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	w.apply(guarding(doorTo("ssh", "tcp/22")))
	now := time.Now()
	for _, b := range []struct {
		source netip.Prefix
		until  time.Time
	}{{netip.Prefix{}, now.Add(time.Hour)}, {event.BannedAs(w.Client.IP4), now}, {event.BannedAs(w.Client.IP4), now.Add(-time.Hour)},
		{netip.PrefixFrom(w.Client.IP4, 24), now.Add(time.Hour)}, {netip.PrefixFrom(w.Client.IP6, 60), now.Add(time.Hour)}} {
		if err := w.f.Ban(b.source, b.until, now); err == nil {
			t.Errorf("%+v: no error", b)
		}
	}
	if got := w.bans(); len(got) != 0 {
		t.Errorf("banned are %v", got)
	}
}
