package client_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/client"
	"sallyport/internal/invite"
	"sallyport/internal/key"
)

// A link that makes no profile is refused before anything is sent: afterwards the
// invite would be spent, and nothing kept.
func TestHostileLinksAreRefusedAtOnce(t *testing.T) {
	private, err := key.Generate(key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*invite.Link)
		ok     bool
	}{
		"a good one":              {func(*invite.Link) {}, true},
		"no name of the gate":     {func(l *invite.Link) { l.Gate = "" }, true},
		"a line in the gate":      {func(l *invite.Link) { l.Gate = "tokyo\nidentity = /etc/passwd" }, false},
		"an escape in the gate":   {func(l *invite.Link) { l.Gate = "\x1b[2J" }, false},
		"a path for the gate":     {func(l *invite.Link) { l.Gate = "../tokyo" }, false},
		"an escape in a door":     {func(l *invite.Link) { l.Doors[0].Name = "\x1b]0;x\a" }, false},
		"a line in a door":        {func(l *invite.Link) { l.Doors[0].Name = "ssh\nport = 1" }, false},
		"a door twice":            {func(l *invite.Link) { l.Doors = append(l.Doors, l.Doors[0]) }, false},
		"a shape that is none":    {func(l *invite.Link) { l.Shape = "5 icmp 1-2" }, false},
		"a shape with a line end": {func(l *invite.Link) { l.Shape = "5 tcp 1024-32767\ngate = x" }, false},
	} {
		l := invite.Link{Hosts: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Port: 40321, ServerKey: private.Public(), Seed: make([]byte, invite.SeedSize),
			Doors: []invite.Door{{Name: "ssh"}}, Gate: "tokyo", Shape: "5 tcp 1024-32767", Issued: time.Now(), Skew: time.Minute}
		c.change(&l)
		i, err := client.ParseInvite(l.Text())
		if (err == nil) != c.ok || err != nil && strings.ContainsAny(err.Error(), "\x1b\a") {
			t.Errorf("%s: %+v, %v", name, i, err)
		}
	}
}
