package gate

import (
	"bytes"
	"crypto/ed25519"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
	"sallyport/internal/sshauth"
)

var another = []packet.Port{{Proto: packet.TCP, Number: 7100}, {Proto: packet.UDP, Number: 8100}}

// replaced gives a door another sequence than the one it had until a time.
func replaced(d *config.Door, until time.Time) {
	d.Sequence, d.Previous, d.PreviousUntil = append(another, another...), d.Sequence, until
}

// testKey is one of several public keys.
func testKey(n byte) ssh.PublicKey {
	k, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize)).Public())
	if err != nil {
		panic(err)
	}
	return k
}

func secret(n byte) sequence.Secret { return sequence.NewSecret([20]byte{n}) }

// After a start nobody knows what there was before. What a grant was given for must
// still be there: an edited file counts as a reload does.
func TestLongestAfterAStart(t *testing.T) {
	cfg := testConfig()
	cfg.Doors[0].OpenFor = time.Hour
	cfg.Groups = []config.Group{{Name: "all", Doors: []string{"ssh"}, Sequence: ports("tcp/1 tcp/2")}}
	cfg.Clients = []config.Client{{Name: "alice", Doors: []string{"ssh"}, Key: testKey(1), Rotating: config.Secret{Current: secret(1)}}}
	for name, c := range map[string]struct {
		client string
		proof  event.Proof
		holder event.Holder
		stays  bool
	}{
		"the sequence":            {"", sequenceProof(cfg.Doors[0].Sequence), event.Named, true},
		"the group's":             {"", sequenceProof(cfg.Groups[0].Sequence), event.Named, true},
		"another sequence":        {"", sequenceProof(another), event.Named, false},
		"another door's":          {"", sequenceProof(cfg.Doors[1].Sequence), event.Named, false},
		"one-time, without any":   {"", oneTimeProof, event.Named, false},
		"her key":                 {"alice", keyProof(&cfg.Clients[0]), event.Named, true},
		"her secret":              {"alice", secretProof(secret(1)), event.Named, true},
		"a key that was replaced": {"alice", keyProof(&config.Client{Key: testKey(2)}), event.Named, false},
		"a secret that was":       {"alice", secretProof(secret(2)), event.Named, false},
		"the sequence, as hers":   {"alice", sequenceProof(cfg.Doors[0].Sequence), event.Named, false},
		"nothing that is known":   {"alice", event.Proof{}, event.Named, false},
		"everybody's":             {"", event.Proof{}, event.Anyone, true},
		"an operator's":           {"", event.Proof{}, event.Operator, true},
	} {
		g := event.Grant{Door: "ssh", Source: client, Client: c.client, Holder: c.holder, Proof: c.proof, Until: start.Add(time.Minute - 1)}
		if got := Longest(cfg, nil, start)(g); got.IsZero() == c.stays {
			t.Errorf("%s: until %s", name, got)
		}
	}
}

// What a client has already ends when it becomes more than he may have.
func TestLongest(t *testing.T) {
	const hour = time.Hour
	alice := func(g event.Grant) event.Grant {
		g.Client, g.Proof = "alice", secretProof(secret(1))
		return g
	}
	byKey := func(g event.Grant) event.Grant {
		g.Client, g.Proof = "alice", keyProof(&config.Client{Key: testKey(1)})
		return g
	}
	by := func(p event.Proof) func(event.Grant) event.Grant {
		return func(g event.Grant) event.Grant { g.Proof = p; return g }
	}
	operator := func(g event.Grant) event.Grant { g.Holder = event.Operator; return g }
	anyone := func(g event.Grant) event.Grant { g.Holder = event.Anyone; return g }
	plain, byGroup, byOneTime := by(sequenceProof(testConfig().Doors[0].Sequence)), by(sequenceProof(another)), by(oneTimeProof)
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
		"a shorter max_open":               {alice, client0(func(c *config.Client) { c.MaxOpen = 10 * time.Minute }), 10 * time.Minute},
		"a shorter open_for":               {plain, func(c *config.Config) { c.Doors[0].OpenFor = time.Minute }, time.Minute},
		"out of the client's hours":        {alice, client0(func(c *config.Client) { c.Hours = hours("13:00-14:00") }), 0},
		"hours that end":                   {alice, client0(func(c *config.Client) { c.Hours = hours("11:00-12:20") }), 20 * time.Minute},
		"out of the door's hours":          {plain, func(c *config.Config) { c.Doors[0].Hours = hours("13:00-14:00") }, 0},
		"an operator's":                    {operator, func(c *config.Config) { c.Doors[0].Hours = hours("13:00-14:00"); c.Doors[0].OpenFor = 1 }, hour},
		"an operator's, without door":      {operator, func(c *config.Config) { c.Doors = c.Doors[1:] }, 0},
		"everybody's":                      {anyone, func(*config.Config) {}, hour},
		"everybody's, one client less":     {anyone, func(c *config.Config) { c.Clients = c.Clients[1:] }, 0},
		"the static sequence is gone":      {plain, func(c *config.Config) { c.Doors[0].Sequence = nil }, 0},
		"another static sequence":          {plain, func(c *config.Config) { c.Doors[0].Sequence = another }, 0},
		"another one, the old one goes on": {plain, func(c *config.Config) { replaced(&c.Doors[0], start.Add(1)) }, hour},
		"the old one has ended":            {plain, func(c *config.Config) { replaced(&c.Doors[0], start) }, 0},
		"the group's sequence is gone":     {byGroup, func(c *config.Config) { c.Groups[0].Sequence = nil }, 0},
		"the door has left the group":      {byGroup, func(c *config.Config) { c.Groups[0].Doors = []string{"db"} }, 0},
		"the one-time sequences are gone":  {byOneTime, func(c *config.Config) { c.Doors[0].SequencesFile = "" }, 0},
		"the group's, and it was another":  {plain, func(c *config.Config) { c.Groups[0].Sequence = nil }, hour},
		"one of them has been used":        {byOneTime, func(c *config.Config) { c.Doors[0].OneTime = nil }, hour},
		"another door's sequence is gone":  {plain, func(c *config.Config) { c.Doors[1].Sequence = nil }, hour},
		"a client's, sequence gone":        {alice, func(c *config.Config) { c.Doors[0].Sequence = nil }, hour},
		"everybody's, sequence gone":       {anyone, func(c *config.Config) { c.Doors[0].Sequence = nil }, 0},
		"an operator's, sequence gone":     {operator, func(c *config.Config) { c.Doors[0].Sequence = nil }, hour},
		"another secret":                   {alice, client0(func(c *config.Client) { c.Rotating.Current = secret(2) }), 0},
		"another secret, the old one goes on": {alice, client0(func(c *config.Client) {
			c.Rotating = config.Secret{Current: secret(2), Previous: secret(1), PreviousUntil: start.Add(1)}
		}), hour},
		"no secret any more":          {alice, client0(func(c *config.Client) { c.Rotating = config.Secret{} }), 0},
		"everybody's, another secret": {anyone, client0(func(c *config.Client) { c.Rotating.Current = secret(2) }), 0},
		"another client's secret":     {alice, func(c *config.Config) { c.Clients[1].Rotating.Current = secret(3) }, hour},
		"another secret, by key":      {byKey, client0(func(c *config.Client) { c.Rotating.Current = secret(2) }), hour},
		"another key":                 {byKey, client0(func(c *config.Client) { c.Key = testKey(2) }), 0},
		"another key, by secret":      {alice, client0(func(c *config.Client) { c.Key = testKey(2) }), hour},
		"everybody's, another key":    {anyone, client0(func(c *config.Client) { c.Key = testKey(2) }), 0},
		"no longer as wide":           {wide, func(*config.Config) {}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			of := func() *config.Config {
				cfg := testConfig()
				cfg.Doors[0].OpenFor = 2 * hour
				cfg.Doors[0].SequencesFile, cfg.Doors[0].OneTime = "/once", []config.OneTime{{Knocks: another}}
				cfg.Groups = []config.Group{{Name: "all", Doors: []string{"ssh"}, Sequence: another}}
				cfg.Clients = []config.Client{{Name: "alice", Doors: []string{"ssh"}, MaxOpen: 8 * hour, Key: testKey(1), Rotating: config.Secret{Current: secret(1)}}, {Name: "bob", Doors: []string{"ssh"}}}
				inUTC(func(*config.Config) {})(cfg)
				return cfg
			}
			cfg := of()
			c.change(cfg)
			got := Longest(cfg, of(), start)(c.whose(event.Grant{Door: "ssh", Source: client, Until: start.Add(hour)}))
			if c.want == 0 && !got.IsZero() || c.want != 0 && !got.Equal(start.Add(c.want)) {
				t.Errorf("until %s, want %s after the start", got, c.want)
			}
		})
	}
}
