package follow

import (
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/passkey"
	"sallyport/internal/sequence"
	"sallyport/internal/sshauth"
)

// Dir is the folder with what a gate keeps of its fleet, in state_dir.
const Dir = "fleet"

// Is reports whether a client of a configuration is one of the fleet.
func Is(cfg *config.Config, c *config.Client) bool {
	return c.Place.File == place(cfg).File
}

// place is where clients of the fleet are said to stand.
func place(cfg *config.Config) config.Place {
	return config.Place{File: filepath.Join(cfg.Daemon.StateDir, Dir)}
}

// Without returns a configuration without the clients of the fleet.
func Without(cfg *config.Config) *config.Config {
	without := *cfg
	without.Clients = slices.DeleteFunc(slices.Clone(cfg.Clients), func(c config.Client) bool { return Is(cfg, &c) })
	return &without
}

// Over returns a configuration with the clients of the fleet over it who are not revoked,
// and says which are set aside and why. Where both have the same name or key, what is
// there wins. It never fails. Secret returns a client's secret for rotating sequences, as
// this gate has it; the zero one if there is none.
func (v *View) Over(cfg *config.Config, secret func(roll.Member) sequence.Secret) (*config.Config, []string) {
	over := Without(cfg)
	names, ids := make(map[string]bool, len(over.Clients)), make(map[[6]byte]string, len(over.Clients))
	for i := range over.Clients {
		c := &over.Clients[i]
		names[c.Name] = true
		if c.Key != nil {
			ids[sshauth.ID(c.Key)] = c.Name
		}
	}
	var aside []string
	for _, m := range v.Members() {
		if _, revoked := v.Revocation(m.Name); revoked {
			continue
		}
		c, why := v.client(over, m)
		if c.Rotating.Current = secret(m); why == "" && c.Key == nil && c.Rotating.Current.IsZero() {
			why = "its secret has not been sealed to this gate"
		}
		switch {
		case why != "":
		case names[c.Name]:
			why = "this gate has a client of that name of its own"
		case c.Key != nil && ids[sshauth.ID(c.Key)] != "":
			why = fmt.Sprintf("client %q of this gate has its key", ids[sshauth.ID(c.Key)])
		}
		if why != "" {
			aside = append(aside, fmt.Sprintf("client %q of the fleet cannot knock here: %s", m.Name, why))
			continue
		}
		over.Clients = append(over.Clients, c)
	}
	return over, aside
}

// client is a client of the roll as it is at this gate.
func (v *View) client(cfg *config.Config, m roll.Member) (c config.Client, why string) {
	doors, groups := here(cfg, m.Doors)
	if len(doors) == 0 {
		return c, "this gate has none of its doors"
	}
	c = config.Client{
		Name: m.Name, Label: m.Label, Doors: doors, Groups: groups, From: sshauth.FromPrefixes(m.From), Expires: m.Expires,
		MaxOpen: m.MaxOpen, Single: m.Single, Most: m.MaxCount, STUN: m.STUN && cfg.SPA.STUN, Place: place(cfg),
	}
	var err error
	if c.Key, err = v.publicKey(m); err != nil {
		return c, err.Error()
	}
	if c.Key != nil && passkey.IsType(c.Key.Type()) && !c.STUN {
		return c, "it knocks from a browser alone, and no messages of browsers are taken here"
	}
	if c.Hours, err = config.ParseHours(m.Hours...); err != nil {
		return c, err.Error()
	}
	return c, ""
}

// publicKey returns a client's key. To read one takes 15 µs, and there may be 100,000 at
// each change, so they are kept.
func (v *View) publicKey(m roll.Member) (ssh.PublicKey, error) {
	if k, known := v.parsed[m.Key]; known {
		return k, nil
	}
	k, err := m.PublicKey()
	if err == nil {
		if len(v.parsed) > 2*len(v.Roll.Clients) { // most are of clients that are gone
			clear(v.parsed)
		}
		v.parsed[m.Key] = k
	}
	return k, err
}

// here returns the doors of a client that this gate has, with those of its groups, and
// the groups.
func here(cfg *config.Config, names []string) (doors, groups []string) {
	add := func(name string) {
		if !slices.Contains(doors, name) {
			doors = append(doors, name)
		}
	}
	for _, name := range names {
		if g := cfg.Group(name); g != nil {
			groups = append(groups, name)
			for _, door := range g.Doors {
				add(door)
			}
		} else if cfg.Door(name) != nil {
			add(name)
		}
	}
	return doors, groups
}
