package config

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// Requirements are what an organisation demands of every gate: a file of its
// own, which those who write configurations need not be able to change. The
// zero value of a field demands nothing.
type Requirements struct {
	Path string
	Name string // what people call the document; may be empty

	Ways            []Way         // by which doors may open; nil: any
	LongestGrant    time.Duration // of doors and clients
	LeastBits       int           // of sequences, static, one-time and rotating
	OldestSecret    time.Duration // whole days
	LongestExpiry   time.Duration // whole days; how far ahead the end of a client may lie
	RequireHours    bool          // nothing opens at any time of the week
	RequireBound    bool          // SPA messages name their source
	SecurityKeys    []string      // clients, groups and doors for which only FIDO2 counts; "*": all
	ShortestJournal time.Duration // whole days
	LongestJournal  time.Duration // whole days
	ReviewEvery     time.Duration // whole days
}

// Way is how a door can be opened from outside.
type Way string

// The ways.
const (
	WayStatic   Way = "static"
	WayOneTime  Way = "one-time"
	WayRotating Way = "rotating"
	WaySPA      Way = "spa"
	WayFwknop   Way = "fwknop"
	WaySTUN     Way = "stun" // SPA messages in STUN, as browsers send them
)

// Ways lists them all.
var Ways = []Way{WayStatic, WayOneTime, WayRotating, WaySPA, WayFwknop, WaySTUN}

// Everyone stands for all clients and doors in Requirements.
const Everyone = "*"

// maxBits is more than a sequence can have, 16 knocks of 17 bits.
const maxBits = 272

// LoadRequirements reads the requirements at an absolute path, in a file system
// rooted at "/". As of a configuration, every mistake is reported, with its line.
func LoadRequirements(fsys fs.FS, absolute string) (*Requirements, error) {
	var errs Errors
	r := &Requirements{Path: path.Clean(absolute)}
	f, err := read(fsys, r.Path)
	if err != nil {
		errs.add(Place{File: r.Path}, "%w", err)
		return nil, errs
	}
	if f.mode&0o002 != 0 {
		errs.add(Place{File: r.Path}, "everybody may change this file (mode %04o): run chmod o-w %s", f.mode.Perm(), r.Path)
	}
	root, _ := parse(f, &errs)
	r.read(&section{table: root, errs: &errs})
	if err := errs.sorted(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Requirements) read(s *section) {
	r.Name = readText(s, "name", `a text of at most 80 characters, such as "Remote access, 2026"`)
	r.Ways = list(s, "ways", "a list of "+either(Ways), once(parseWay))
	r.LongestGrant = s.duration("longest_grant", 0, time.Second, day)
	r.LeastBits = int(s.number("least_bits", maxBits))
	r.OldestSecret = s.days("oldest_secret")
	r.LongestExpiry = s.days("longest_expiry")
	r.RequireHours = s.boolean("require_hours", false)
	r.RequireBound = s.boolean("require_bound", false)
	r.SecurityKeys = list(s, "security_keys", `names of clients, groups and doors, such as ["ops"], or ["*"] for all`, once(asName))
	r.ShortestJournal = s.days("shortest_journal")
	r.LongestJournal = s.days("longest_journal")
	r.ReviewEvery = s.days("review_every")
	s.finish()
	if r.LongestJournal != 0 && r.ShortestJournal > r.LongestJournal {
		s.errorf(s.at("shortest_journal"), "shortest_journal is longer than longest_journal: no journal can be both")
	}
	if s.table.values["ways"] != nil && s.empty("ways") {
		s.errorf(s.at("ways"), "ways is empty, so that no door could open: name those that are allowed, or remove it")
	}
	for _, name := range r.SecurityKeys {
		if name != Everyone && !ValidName(name) {
			s.errorf(s.at("security_keys"), "security_keys: %q is no name: want names of clients, groups and doors, or %q", name, Everyone)
		}
	}
}

func parseWay(text string) (Way, error) {
	if !slices.Contains(Ways, Way(text)) {
		return "", fmt.Errorf("%q is no way: want %s", text, either(Ways))
	}
	return Way(text), nil
}

// Allows reports whether a way is one that may be used.
func (r *Requirements) Allows(w Way) bool { return r.Ways == nil || slices.Contains(r.Ways, w) }

// WaysOf lists the ways by which a client can open its doors.
func (c *Config) WaysOf(client *Client) (list []Way) {
	if client.Key != nil && c.SPA.Port != 0 {
		list = append(list, WaySPA)
		if client.STUN && c.SPA.STUN {
			list = append(list, WaySTUN)
		}
	}
	if !client.Rotating.Current.IsZero() {
		list = append(list, WayRotating)
	}
	if client.Fwknop != nil && c.SPA.FwknopPort != 0 {
		list = append(list, WayFwknop)
	}
	return list
}

// OnSecurityKey reports whether the private part of a key is in a FIDO2 device.
func OnSecurityKey(key ssh.PublicKey) bool {
	return key != nil && (key.Type() == ssh.KeyAlgoSKED25519 || key.Type() == ssh.KeyAlgoSKECDSA256)
}
