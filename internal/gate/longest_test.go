package gate

import (
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/sshauth"
)

// What a client has already ends when it becomes more than he may have.
func TestLongest(t *testing.T) {
	const hour = time.Hour
	alice := func(g event.Grant) event.Grant { g.Client = "alice"; return g }
	operator := func(g event.Grant) event.Grant { g.Holder = event.Operator; return g }
	anyone := func(g event.Grant) event.Grant { g.Holder = event.Anyone; return g }
	plain := func(g event.Grant) event.Grant { return g }
	wide := func(g event.Grant) event.Grant { g.Prefix = 24; return alice(g) }
	client0 := func(f func(*config.Client)) func(*config.Config) {
		return func(c *config.Config) { f(&c.Clients[0]) }
	}
	for name, c := range map[string]struct {
		whose  func(event.Grant) event.Grant
		change func(*config.Config)
		want   time.Duration // of an hour; 0: it ends
	}{
		"nothing changes":              {alice, func(*config.Config) {}, hour},
		"the client is gone":           {alice, func(c *config.Config) { c.Clients = c.Clients[1:] }, 0},
		"the door is not the client's": {alice, client0(func(c *config.Client) { c.Doors = []string{"db"} }), 0},
		"the door is gone":             {alice, func(c *config.Config) { c.Doors = c.Doors[1:] }, 0},
		"expired":                      {alice, client0(func(c *config.Client) { c.Expires = start }), 0},
		"will expire":                  {alice, client0(func(c *config.Client) { c.Expires = start.Add(time.Minute) }), hour},
		"from elsewhere": {alice, client0(func(c *config.Client) {
			c.From = sshauth.FromPrefixes([]netip.Prefix{netip.MustParsePrefix("198.51.100.64/26")})
		}), 0},
		"a shorter max_open":           {alice, client0(func(c *config.Client) { c.MaxOpen = 10 * time.Minute }), 10 * time.Minute},
		"a shorter open_for":           {plain, func(c *config.Config) { c.Doors[0].OpenFor = time.Minute }, time.Minute},
		"out of the client's hours":    {alice, client0(func(c *config.Client) { c.Hours = hours("13:00-14:00") }), 0},
		"hours that end":               {alice, client0(func(c *config.Client) { c.Hours = hours("11:00-12:20") }), 20 * time.Minute},
		"out of the door's hours":      {plain, func(c *config.Config) { c.Doors[0].Hours = hours("13:00-14:00") }, 0},
		"an operator's":                {operator, func(c *config.Config) { c.Doors[0].Hours = hours("13:00-14:00"); c.Doors[0].OpenFor = 1 }, hour},
		"an operator's, without door":  {operator, func(c *config.Config) { c.Doors = c.Doors[1:] }, 0},
		"everybody's":                  {anyone, func(*config.Config) {}, hour},
		"everybody's, one client less": {anyone, func(c *config.Config) { c.Clients = c.Clients[1:] }, 0},
		"no longer as wide":            {wide, func(*config.Config) {}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			of := func() *config.Config {
				cfg := testConfig()
				cfg.Doors[0].OpenFor = 2 * hour
				cfg.Clients = []config.Client{{Name: "alice", Doors: []string{"ssh"}, MaxOpen: 8 * hour}, {Name: "bob", Doors: []string{"ssh"}}}
				inUTC(func(*config.Config) {})(cfg)
				return cfg
			}
			cfg := of()
			c.change(cfg)
			got := Longest(cfg, of())(c.whose(event.Grant{Door: "ssh", Source: client, Until: start.Add(hour)}), start)
			if c.want == 0 && !got.IsZero() || c.want != 0 && !got.Equal(start.Add(c.want)) {
				t.Errorf("until %s, want %s after the start", got, c.want)
			}
		})
	}
}
