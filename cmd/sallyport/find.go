//go:build linux && !client_only

package main

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/config"
)

// findSetting finds the table that a key belongs to.
func findSetting(path, address string) (*setting, error) {
	kind, rest, ok := strings.Cut(address, ".")
	if !ok || rest == "" {
		return nil, usageError{hinted{fmt.Errorf("%q is no key", address), "write SECTION.KEY, or door.NAME.KEY, such as gate.policy or door.ssh.open_for"}}
	}
	s := &setting{kind: kind, key: rest}
	if slices.Contains([]string{"door", "client", "group"}, kind) {
		i := strings.LastIndexByte(rest, '.') // names have dots, keys have none
		if i < 1 || i == len(rest)-1 {
			return nil, usageError{hinted{fmt.Errorf("%q is no key", address), fmt.Sprintf("write %s.NAME.KEY", kind)}}
		}
		s.name, s.key = rest[:i], rest[i+1:]
		return s, s.findNamed(path)
	}
	return s, s.findSection(path)
}

// noDoor says which doors there are instead.
func noDoor(cfg *config.Config, name string) error {
	var names []string
	for _, d := range cfg.Doors {
		names = append(names, d.Name)
	}
	return unknown("door", name, names, "sallyport door add adds one")
}

func findClient(cfg *config.Config, name string) *config.Client {
	i := slices.IndexFunc(cfg.Clients, func(c config.Client) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &cfg.Clients[i]
}

// noClient is a client that is not there.
func noClient(cfg *config.Config, name string) error {
	names := make([]string, len(cfg.Clients))
	for i, c := range cfg.Clients {
		names[i] = c.Name
	}
	return unknown("client", name, names, "sallyport client add adds one")
}

// setting is a key of the configuration and the file that has it, or would.
type setting struct {
	kind, name, key string // name is empty for a section
	file            string
	line            int // of its table; 0: the section is not there
	text            []byte
}
