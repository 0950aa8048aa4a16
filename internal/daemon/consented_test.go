//go:build linux

package daemon

import (
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/consent"
	"sallyport/internal/control"
	"sallyport/internal/daemon/ban"
	"sallyport/internal/event"
)

// kernelOfBans takes every ban.
type kernelOfBans struct{}

func (kernelOfBans) Ban(netip.Prefix, time.Time, time.Time) error { return nil }
func (kernelOfBans) Unban(netip.Prefix) error                     { return nil }

// A consent is for addresses from which a drill shows something.
func TestWhoseAttacksAreConsentedTo(t *testing.T) {
	d := &Daemon{bans: ban.New(func(event.Event) {}, kernelOfBans{}, func() []netip.Addr { return nil })}
	cfg := &config.Config{Gate: config.Gate{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	d.config.Store(cfg)
	banned := netip.MustParseAddr("203.0.113.66")
	if _, err := d.bans.Order(time.Now(), "a test", banned, time.Hour); err != nil {
		t.Fatal(err)
	}
	one := netip.MustParseAddr("203.0.113.1")
	for _, c := range []struct {
		name    string
		sources []netip.Addr
		valid   time.Duration
		want    bool
	}{
		{"a stranger", []netip.Addr{one}, 0, true},
		{"as IPv4 in IPv6", []netip.Addr{netip.AddrFrom16(one.As16())}, time.Minute, true},
		{"nobody", nil, 0, false},
		{"too many", []netip.Addr{one, one, one, one, one}, 0, false},
		{"trusted", []netip.Addr{netip.MustParseAddr("10.1.2.3")}, 0, false},
		{"loopback", []netip.Addr{netip.MustParseAddr("::1")}, 0, false},
		{"every address", []netip.Addr{netip.IPv4Unspecified()}, 0, false},
		{"no address", []netip.Addr{{}}, 0, false},
		{"banned", []netip.Addr{banned}, 0, false},
		{"too long", []netip.Addr{one}, time.Hour + time.Second, false},
		{"too short", []netip.Addr{one}, time.Second, false},
	} {
		list, err := d.attackers(cfg, c.sources, time.Now())
		if c.valid > consent.Longest || c.valid > 0 && c.valid < time.Minute {
			_, err = d.Consent(t.Context(), control.ConsentRequest{Sources: c.sources, Valid: control.Duration(c.valid)})
		}
		if got := err == nil; got != c.want || got && (len(list) != 1 || list[0] != one) {
			t.Errorf("%s: %v, %v", c.name, list, err)
		}
	}
}
