package gate

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/sequence"
	"sallyport/internal/sshauth"
)

// What was sent has been seen: a sequence that opens once is used when it
// arrives, though it opens nothing then, and opens nothing for anyone who has
// overheard it when the reason has gone.
func TestOverheardWhileItOpenedNothing(t *testing.T) {
	oneTime := func(c *config.Config) {
		c.Doors[0].SequencesFile = "/etc/list"
		for _, knocks := range []string{"tcp/1500 tcp/1400", "tcp/1600 udp/1300", "tcp/1700 udp/1200"} {
			c.Doors[0].OneTime = append(c.Doors[0].OneTime, config.OneTime{Knocks: ports(knocks)})
		}
	}
	for name, c := range map[string]struct {
		change func(*config.Config)
		before string // knocked before
		knocks func(*sender) string
		wait   time.Duration
		after  string // knocked after, by the client
		reason event.Reason
	}{
		"two steps ahead": {nil, "", func(s *sender) string { return s.derive(1, 2) }, 30 * time.Second, "", event.StaleTime},
		"before the hours": {inUTC(func(c *config.Config) { c.Doors[0].Hours = hours("12:01-13:00") }), "",
			func(s *sender) string { return s.derive(1, 1) }, 50 * time.Second, "", event.OutOfHours},
		"one grant too many": {func(c *config.Config) { c.Clients[0].Most = 1; c.Doors[1].OpenFor = 20 * time.Second }, "db",
			func(s *sender) string { return s.derive(1, 1) }, 25 * time.Second, "", event.TooMany},
		"from elsewhere": {func(c *config.Config) {
			c.Clients[0].From = sshauth.FromPrefixes([]netip.Prefix{netip.MustParsePrefix("198.51.100.64/26")})
		}, "", func(s *sender) string { return s.derive(1, 0) }, 0, "", event.ForbiddenFrom},
		"one-time, before the hours": {inUTC(func(c *config.Config) { oneTime(c); c.Doors[0].Hours = hours("12:01-13:00") }), "",
			func(*sender) string { return "tcp/1500 tcp/1400" }, time.Minute, "", event.OutOfHours},
		"one-time, not the next": {oneTime, "", func(*sender) string { return "tcp/1600 udp/1300" }, 0, "tcp/1500 tcp/1400", event.NotNext},
	} {
		t.Run(name, func(t *testing.T) {
			s := newRotating(c.change)
			if c.before != "" {
				before := spell(sequence.NewRotation(secretOf(1), s.config.Rotating.Shape).Knocks(c.before, s.step()))
				if d := one(t, s.send(before)); d.Kind != event.KindGrant {
					t.Fatalf("%+v", d)
				}
			}
			knocks := c.knocks(s)
			d := one(t, s.send(knocks))
			if d.Kind != event.KindRefusal || d.Reason != c.reason || d.Record.Sequence == nil || d.Authenticated || len(d.Grants) > 0 {
				t.Errorf("%+v, want a refusal for %s, to be recorded", d, c.reason)
			}
			s.passes(c.wait)
			if c.after != "" {
				if d := one(t, s.send(c.after)); d.Kind != event.KindGrant {
					t.Errorf("the next one: %+v", d)
				}
			}
			s.src = netip.MustParseAddr("198.51.100.66")
			if d := one(t, s.send(knocks)); d.Reason != event.UsedStep || d.Record.Sequence != nil {
				t.Errorf("overheard: %+v", d)
			}
		})
	}
}

// Anyone who holds a secret that is not in force any more cannot use up steps.
func TestReplacedSecretUsesNothing(t *testing.T) {
	s := newRotating(func(c *config.Config) { c.Clients[0].Rotating.PreviousUntil = start })
	if d := one(t, s.send(s.derive(2, 1))); d.Reason != event.KeyExpired || d.Record.Sequence != nil || !strings.Contains(d.Detail, "replaced") {
		t.Errorf("%+v", d)
	}
	if d := one(t, s.send(s.derive(1, 0))); d.Kind != event.KindGrant {
		t.Errorf("%+v", d)
	}
}
