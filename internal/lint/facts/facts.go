//go:build linux

// Package facts finds out about this host what package lint judges.
package facts

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"sallyport/internal/account"
	"sallyport/internal/config"
	"sallyport/internal/inforce"
	"sallyport/internal/inspect"
	"sallyport/internal/lint"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
	"sallyport/internal/spent"
)

// OfHost finds out what matters about this host. What it cannot find out, most
// of all without root, becomes a note.
func OfHost(cfg *config.Config) (found *lint.Facts, notes []string) {
	found = &lint.Facts{}
	try := func(err error) bool {
		if err != nil {
			notes = append(notes, err.Error())
		}
		return err == nil
	}
	try(addServices(found))
	try(addRules(found, doorPorts(cfg)))
	try(addNetwork(found, cfg))
	addNeeds(found, cfg)
	var err error
	found.EphemeralFirst, found.EphemeralLast, err = netstate.EphemeralRange()
	try(err)
	if inspect.Legacy() {
		found.Unread = []string{"iptables-legacy"}
	}
	if s, ok := inspect.CurrentSession(); ok {
		found.Session = &lint.Session{Source: s.Client.Addr(), Port: s.Server.Port()}
	}
	found.Files, err = files(cfg)
	try(err)
	found.OneTimeLeft, err = oneTimeLeft(cfg)
	try(err)
	found.Console = console(os.DirFS("/"), config.DefaultConsole)
	found.Unusable, found.Suites = unusable(cfg, inforce.Open(os.Getenv)), suites(cfg)
	return found, notes
}

// oneTimeLeft counts the one-time sequences that have not been used, by door,
// as far as the daemon's memory of them can be read.
func oneTimeLeft(cfg *config.Config) (map[string]int, error) {
	if !slices.ContainsFunc(cfg.Doors, func(d config.Door) bool { return d.SequencesFile != "" }) {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(cfg.Daemon.StateDir, "spent", spent.FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // never started
	}
	if err != nil {
		return nil, fmt.Errorf("find used one-time sequences: %w", err)
	}
	used := spent.Read(data)
	left := make(map[string]int)
	for _, d := range cfg.Doors {
		if d.SequencesFile == "" {
			continue
		}
		left[d.Name] = 0
		for _, o := range d.OneTime {
			if !used.Used(spent.Sequence(d.Name, o.Knocks)) {
				left[d.Name]++
			}
		}
	}
	return left, nil
}

func doorPorts(cfg *config.Config) (list []packet.Port) {
	for _, d := range cfg.Doors {
		list = append(list, d.Ports...)
	}
	return list
}

// files looks at what decides who gets in: the configuration, in all its
// files, the folders that hold them, and the secrets that it names.
func files(cfg *config.Config) ([]lint.File, error) {
	secret := make(map[string]bool)
	for _, d := range cfg.Doors {
		secret[d.Place.File] = secret[d.Place.File] || len(d.Sequence) > 0
		secret[d.SequencesFile] = true
	}
	for _, c := range cfg.Clients {
		secret[c.Place.File] = secret[c.Place.File] || !c.Rotating.Current.IsZero()
	}
	for _, path := range []string{cfg.SPA.AuthorizedKeys, cfg.Path} {
		if !secret[path] {
			secret[path] = false
		}
	}
	secret[cfg.API.TokenFile], secret[cfg.API.TLSKey] = true, true
	for _, w := range cfg.Webhooks {
		secret[w.TokenFile] = true
	}
	for path := range secret {
		if dir := filepath.Dir(path); path != "" && !secret[dir] {
			secret[dir] = false
		}
	}
	secret[cfg.SPA.ServerKey] = true
	delete(secret, "")
	us := owners(cfg)
	var list []lint.File
	for _, path := range slices.Sorted(maps.Keys(secret)) {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // others tell that it is missing
		}
		if err != nil {
			return list, fmt.Errorf("look at the rights of files: %w", err)
		}
		list = append(list, rights(path, info, us, secret[path]))
	}
	return list, nil
}

// owners are those whom files may belong to: root, the user who checks,
// and the user of the daemon, who owns its folder.
func owners(cfg *config.Config) []uint32 {
	us := []uint32{0, uint32(os.Getuid())}
	if info, err := os.Stat(cfg.Daemon.StateDir); err == nil {
		if uid, ok := inspect.Owner(info); ok {
			us = append(us, uid)
		}
	}
	return us
}

func rights(path string, info fs.FileInfo, us []uint32, secret bool) lint.File {
	f := lint.File{Path: path, Mode: uint32(info.Mode().Perm()), Owner: "its owner", Secret: secret}
	if info.IsDir() && info.Mode()&fs.ModeSticky != 0 {
		f.Mode &^= 0o022 // nobody can replace what is another's
	}
	if uid, ok := inspect.Owner(info); ok {
		f.Owner = account.Name(uid)
		f.Strange = !slices.Contains(us, uid)
	}
	return f
}
