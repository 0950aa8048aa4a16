package enrolled

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/sequence"
	"sallyport/internal/sshauth"
)

// Dir is the folder with the records, in state_dir.
const Dir = "enrolled"

// Is reports whether a client is one of the layer.
func Is(cfg *config.Config, c *config.Client) bool {
	return filepath.Dir(c.Place.File) == filepath.Join(cfg.Daemon.StateDir, Dir)
}

// File is the name of a record's file.
func (r Record) File() string { return fmt.Sprintf("%x", r.ID()) }

// Over returns a configuration with the clients that are enrolled over it, in place of
// those of an earlier layer, and says which are left out and why. Where both name the
// same client or key, the configuration wins. It never fails.
func Over(cfg *config.Config, records []Record) (*config.Config, []string) {
	over := *cfg
	over.Clients = slices.DeleteFunc(slices.Clone(cfg.Clients), func(c config.Client) bool { return Is(cfg, &c) })
	var left []string
	for _, r := range sorted(records) {
		if r.Use == nil || r.Removed {
			continue
		}
		if why := Collision(&over, r); why != "" {
			left = append(left, fmt.Sprintf("the enrolled client %q cannot knock: %s", r.Name, why))
			continue
		}
		over.Clients = append(over.Clients, r.client(&over))
	}
	return &over, left
}

// Without returns a configuration without the client of a record, if it is the one that
// the layer has of it: what is enrolled does not collide with itself.
func Without(cfg *config.Config, r Record) *config.Config {
	file := filepath.Join(cfg.Daemon.StateDir, Dir, r.File())
	without := *cfg
	without.Clients = slices.DeleteFunc(slices.Clone(cfg.Clients), func(c config.Client) bool { return c.Place.File == file })
	return &without
}

// sorted returns records in the order in which their invites were made.
func sorted(records []Record) []Record {
	list := slices.Clone(records)
	slices.SortFunc(list, func(a, b Record) int {
		return cmp.Or(a.Made.Compare(b.Made), strings.Compare(a.Name, b.Name), bytes.Compare(a.Key, b.Key))
	})
	return list
}

// Collision returns why a client, or the invite of one, does not go with a
// configuration; empty: it does.
func Collision(cfg *config.Config, r Record) string {
	ids := [][6]byte{r.ID()}
	if r.Use != nil {
		k, err := ParseKey(r.Use.Kind, r.Use.Key)
		if err != nil {
			return err.Error()
		}
		if bytes.Equal(r.Use.Key, r.Key) {
			return "its key is that of the invite, which others may have"
		}
		ids = append(ids, sshauth.ID(k))
	}
	for i := range cfg.Clients {
		c := &cfg.Clients[i]
		switch {
		case c.Name == r.Name:
			return fmt.Sprintf("%s has a client of the same name", c.Place)
		case c.Key != nil && slices.Contains(ids, sshauth.ID(c.Key)):
			return fmt.Sprintf("client %q has its key", c.Name)
		}
	}
	if doors, _ := expand(cfg, r.Doors); len(doors) == 0 {
		return "none of its doors is there any more"
	}
	return ""
}

// Missing returns the first door or group of a record that does not exist.
func Missing(cfg *config.Config, r Record) string {
	i := slices.IndexFunc(r.Doors, func(name string) bool { return cfg.Door(name) == nil && cfg.Group(name) == nil })
	if i < 0 {
		return ""
	}
	return r.Doors[i]
}

// expand returns the doors that are there, with those of the groups, and the groups.
func expand(cfg *config.Config, names []string) (doors, groups []string) {
	for _, name := range names {
		if g := cfg.Group(name); g != nil {
			groups = append(groups, name)
			doors = append(doors, g.Doors...)
		} else if cfg.Door(name) != nil {
			doors = append(doors, name)
		}
	}
	var once []string
	for _, name := range doors {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once, groups
}

// client is the client of a record that does not collide.
func (r Record) client(cfg *config.Config) config.Client {
	doors, groups := expand(cfg, r.Doors)
	c := config.Client{
		Name: r.Name, Label: r.Label, Doors: doors, Groups: groups, From: sshauth.FromPrefixes(r.From), Expires: r.Expires,
		MaxOpen: time.Duration(r.MaxOpen) * time.Second, Single: r.Single, STUN: r.Page != "" && cfg.SPA.STUN,
		Place: config.Place{File: filepath.Join(cfg.Daemon.StateDir, Dir, r.File())},
	}
	c.Key, _ = ParseKey(r.Use.Kind, r.Use.Key) // as Collision has done
	if s, err := sequence.ParseSecret(r.Use.Secret); err == nil {
		c.Rotating.Current, c.Changed = s, r.Use.At
	}
	return c
}
