package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

var errNoTable = fmt.Errorf("the table inet %s is not there", tableName)

// Grant puts a grant into force until its end, in one batch for all ports of
// the door. It replaces what the source, or prefix, has of that kind for that
// door, also what ends later: single and lasting grants stand side by side.
//
// Before Linux 6.12 adding an element that is there changes nothing, so it is
// removed and added in one transaction.
func (f *Firewall) Grant(g event.Grant, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.newBatch()
	if err := f.grant(b, g, now); err != nil {
		return err
	}
	return missing(b.flush())
}

// grantsAtOnce is how many grants GrantAll puts into one batch.
const grantsAtOnce = 1000

// GrantAll puts grants into force again that a table had which is gone. Those
// that are over by now, and those of doors that do not exist, are left out. On
// an error some may be in force and others not.
func (f *Firewall) GrantAll(grants []event.Grant, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for part := range slices.Chunk(grants, grantsAtOnce) {
		b := f.newBatch()
		for _, g := range part {
			if !f.applied.allows(g) || g.Until.Sub(now) < time.Millisecond {
				continue
			}
			if err := f.grant(b, g, now); err != nil {
				return fmt.Errorf("open door %q for %s: %w", g.Door, g.Source, err)
			}
		}
		if err := missing(b.flush()); err != nil {
			return fmt.Errorf("put grants back: %w", err)
		}
	}
	return nil
}

// grant gathers what Grant does.
func (f *Firewall) grant(b *batch, g event.Grant, now time.Time) error {
	source, ports, err := f.lookUp(g)
	if err != nil {
		return err
	}
	left := g.Until.Sub(now)
	if left < time.Millisecond {
		return fmt.Errorf("the grant ends %s before it begins", phrase.Duration(-left))
	}
	if !plain(g.Door, maxName, false) || g.Client != "" && !plain(g.Client, maxClient, true) {
		return fmt.Errorf("%q and %q cannot be the names of a door and a client", g.Door, g.Client)
	}
	entries := f.entriesFor(source, ports, g.Single)
	b.discard(entries)
	for i := range entries {
		entries[i].door, entries[i].client, entries[i].left = g.Door, g.Client, left
	}
	b.put(entries)
	return nil
}

// Renew gives a grant another end and reports whether it was in force: one that is
// over, or has been used up, stays so. Each port is a batch of its own, which the
// kernel refuses if the element is not there; a connection that uses the grant up
// in between takes the ports that are left with it.
func (f *Firewall) Renew(g event.Grant, now time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	source, ports, err := f.lookUp(g)
	if err != nil {
		return false, err
	}
	left := g.Until.Sub(now)
	if left < time.Millisecond {
		return false, fmt.Errorf("the grant ended %s ago", phrase.Duration(-left))
	}
	there := false
	for _, e := range f.entriesFor(source, ports, g.Single) {
		e.door, e.client, e.left = g.Door, g.Client, left
		b := f.newBatch()
		b.remove(e.set, e.bare())
		b.add(e.set, e.full())
		err := b.flush()
		if err == nil {
			there = true
		} else if !errors.Is(err, unix.ENOENT) {
			return there, err
		}
	}
	return there, nil
}

// Revoke ends a grant, if its source, or prefix, has one of that kind for that
// door. Connections under way go on.
func (f *Firewall) Revoke(g event.Grant) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	source, ports, err := f.lookUp(g)
	if err != nil {
		return err
	}
	b := f.newBatch()
	b.discard(f.entriesFor(source, ports, g.Single))
	return missing(b.flush())
}

// lookUp returns whom a grant is for, as the kernel knows it, and the ports of
// its door.
func (f *Firewall) lookUp(g event.Grant) (netip.Prefix, []packet.Port, error) {
	from := g.From()
	switch {
	case f.applied == nil || f.applied.doors[g.Door] == nil:
		return from, nil, fmt.Errorf("the firewall has no door %q", g.Door)
	case !from.IsValid():
		return from, nil, errors.New("a grant needs the address of its source")
	case !f.applied.allows(g):
		return from, nil, fmt.Errorf("door %q has no grants for a /%d", g.Door, g.Prefix)
	}
	return from, f.applied.doors[g.Door], nil
}

// entriesFor returns the elements that make up a lasting or a single grant, or
// one for a prefix, without time and names.
func (f *Firewall) entriesFor(from netip.Prefix, ports []packet.Port, single bool) []entry {
	list := make([]entry, len(ports))
	for i, port := range ports {
		source := from.Addr()
		list[i] = entry{set: f.sets.granted.of(source), source: source, port: port}
		switch {
		case !from.IsSingleIP():
			list[i].set, list[i].bits = f.sets.wide.of(source), from.Bits()
		case single:
			list[i].set = f.sets.single[port.Proto].of(source)
		}
	}
	return list
}

// missing says what it means that a set is not there.
func missing(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return errNoTable
	}
	return err
}
