package firewall

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/weak"
)

// The longest names that the configuration accepts, of doors and of clients.
const (
	maxName   = 32
	maxClient = 64
)

// entry is one element of a set of grants: a grant for one port of a door.
type entry struct {
	set    *nftables.Set
	source netip.Addr
	bits   int // of a grant for a prefix: its length, and source is its first address
	port   packet.Port
	door   string
	client string
	left   time.Duration
}

func (e entry) single() bool { return e.set.Dynamic }

func (e entry) key() []byte {
	if e.single() {
		return singleKey(e.source, e.port)
	}
	return addressPortKey(e.source, e.port)
}

// id is unique in a table.
func (e entry) id() string { return e.set.Name + string(e.key()) }

// bare is the element without time and names.
func (e entry) bare() nftables.SetElement { return nftables.SetElement{Key: e.key()} }

// full is the element as the kernel takes it.
func (e entry) full() nftables.SetElement {
	door := e.door
	if e.bits != 0 {
		door += "/" + strconv.Itoa(e.bits)
	}
	return nftables.SetElement{Key: e.key(), Timeout: e.timeout(), Comment: comment(door, e.client)}
}

// timeout is when the kernel ends it.
func (e entry) timeout() time.Duration {
	if weak.Timeout {
		return 0
	}
	return e.left
}

// comment is how door and client stand in an element: "ssh alice", or "ssh"; of
// a grant for a prefix "ssh/24 alice". Of several owners it has room for the one
// whose part ends last; who the others are is for the book of grants to keep.
func comment(door, client string) string {
	if client == "" {
		return door
	}
	return door + " " + client
}

// parseComment accepts what comment writes for names that the configuration
// accepts: those of doors, and those of clients, which in an authorized_keys
// file can look like "Alice@laptop".
func parseComment(s string) (door, client string, ok bool) {
	door, client, both := strings.Cut(s, " ")
	return door, client, plain(door, maxName, false) && (!both || plain(client, maxClient, true))
}

func plain(s string, longest int, client bool) bool {
	for _, c := range s {
		lower := c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c)
		if !lower && !(client && (c >= 'A' && c <= 'Z' || c == '+' || c == '@')) {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= longest
}

// parseEntry reads an element, unless it is not one that we would write. The
// protocol is that of the set, or 0 if it stands in the key.
func parseEntry(s *nftables.Set, protocol packet.Proto, element nftables.SetElement) (entry, bool) {
	e := entry{set: s, left: element.Expires}
	var keyOK, namesOK bool
	e.source, e.port, keyOK = readAddressPortKey(element.Key, protocol)
	e.door, e.client, namesOK = parseComment(element.Comment)
	return e, keyOK && namesOK && e.left > 0 && !e.source.Is4In6() && bytes.Equal(e.key(), element.Key)
}

// parserOf returns parseEntry for sets of one protocol, or of all.
func parserOf(protocol packet.Proto) func(*nftables.Set, nftables.SetElement) (entry, bool) {
	return func(s *nftables.Set, element nftables.SetElement) (entry, bool) {
		return parseEntry(s, protocol, element)
	}
}

// entries reads all grants back from the kernel. Elements that someone else
// has put there are left out and reported.
func (f *Firewall) entries() ([]entry, error) {
	var all []entry
	foreign := 0
	read := func(p pair, parse func(*nftables.Set, nftables.SetElement) (entry, bool)) error {
		for _, s := range p {
			elements, err := f.lister.elements(s)
			if err != nil {
				return err
			}
			for _, element := range elements {
				if e, ok := parse(s, element); ok {
					all = append(all, e)
				} else {
					foreign++
				}
			}
		}
		return nil
	}
	err := errors.Join(
		read(f.sets.granted, parserOf(0)),
		read(f.sets.single[packet.TCP], parserOf(packet.TCP)),
		read(f.sets.single[packet.UDP], parserOf(packet.UDP)),
	)
	if err == nil {
		// Tables of earlier versions have no such sets.
		if err = read(f.sets.wide, parseWide); errors.Is(err, unix.ENOENT) {
			err = nil
		}
	}
	if foreign > 0 {
		f.log.Warn("the firewall table holds elements that Sallyport did not put there", "elements", foreign)
	}
	return all, err
}

// Grants reads the grants in force back from the kernel, in the order of doors
// and sources, once Apply has taken the table over. Many grants take a while
// (100,000 about two seconds), in which others can be given.
func (f *Firewall) Grants(now time.Time) ([]event.Grant, error) {
	f.mu.Lock()
	applied := f.applied
	f.mu.Unlock()
	if applied == nil {
		return nil, nil
	}
	entries, err := f.entries()
	if errors.Is(err, unix.ENOENT) {
		return nil, nil // no table, no grants
	}
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	return group(entries, applied, now), nil
}

// bools puts false before true.
func bools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// group makes one grant of the elements for the ports of a door.
func group(entries []entry, p *plan, now time.Time) []event.Grant {
	type key struct {
		door   string
		from   netip.Prefix
		single bool
	}
	grants := make(map[key]event.Grant)
	for _, e := range entries {
		if !p.keeps(e) {
			continue
		}
		g := event.Grant{Door: e.door, Source: e.source, Client: e.client, Until: now.Add(e.left), Single: e.single(), Prefix: e.bits}
		k := key{e.door, g.From(), g.Single}
		if old, ok := grants[k]; !ok || old.Until.Before(g.Until) {
			grants[k] = g
		}
	}
	list := make([]event.Grant, 0, len(grants))
	for _, g := range grants {
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b event.Grant) int {
		if c := strings.Compare(a.Door, b.Door); c != 0 {
			return c
		}
		return cmp.Or(a.Source.Compare(b.Source), cmp.Compare(a.Prefix, b.Prefix), bools(a.Single, b.Single))
	})
	return list
}
