package grant

import (
	"slices"
	"time"

	"sallyport/internal/event"
)

// Expect says that grants of an earlier time are in force in the kernel, and
// that Restore will enter them. Reading a hundred thousand of them takes
// seconds, in which doors must open and close already.
func (b *Book) Expect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = &missed{known: b.recall()}
}

// earlier are the parts that an earlier process has given of an element and that
// are not in the book yet. What is to end of them is left out.
func (b *Book) earlier(k key, now time.Time) (list []part) {
	if b.waiting == nil {
		return nil
	}
	for _, p := range b.waiting.known[k] {
		if p.owed == nil && p.Until.After(now) && !b.waiting.ends(p.Grant) {
			list = append(list, p)
		}
	}
	return list
}

// over says that the kernel does not have an element any more.
func (m *missed) over(k key, r *Register) {
	for _, p := range m.known[k] {
		r.drop(p.slot, false)
	}
	delete(m.known, k)
}

func (m *missed) ends(g event.Grant) bool { return anyOf(m.forgotten, g) || anyOf(m.revoked, g) }

// Restore enters grants that are in force in the kernel already, each for the
// owners that the register has for it, who have it until the earlier of the
// register's end and the kernel's; one without is everybody's. Those that were to
// end since Expect end now, and are returned. If the firewall fails for one of
// them, it stays in the book; the errors are returned.
func (b *Book) Restore(elements []event.Grant, now time.Time) (ended []event.Grant, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := b.waiting
	if since == nil {
		since = &missed{known: b.recall()}
	}
	b.waiting = nil
	known := since.known
	var failed failures
	for _, e := range elements {
		k := keyOf(e)
		if len(known[k]) == 0 && b.given(k, e.Until) {
			continue
		}
		parts := b.partsOf(e, known[k], now)
		delete(known, k)
		gone, problem := b.restore(k, e, parts, since, now)
		ended = append(ended, gone...)
		failed.add("restore", e, problem)
	}
	for _, parts := range known { // what the kernel does not have
		for _, p := range parts {
			b.register.drop(p.slot, false)
		}
	}
	return ended, failed.err()
}

// given reports whether an element of the kernel is what has been given since
// Expect, and nothing older.
func (b *Book) given(k key, until time.Time) bool {
	parts := b.live[k]
	return len(parts) > 0 && until.Sub(longest(parts).Until) <= tolerance
}

// recall takes over what the register holds from an earlier process.
func (b *Book) recall() map[key][]part {
	known := make(map[key][]part)
	if b.register == nil {
		return known
	}
	for _, k := range b.register.kept {
		p := part{k.grant, k.slot, nil}
		if k.owed {
			p.owed = &owed{k.grant.Until, event.ByOperator} // why is not kept
		}
		known[keyOf(k.grant)] = append(known[keyOf(k.grant)], p)
	}
	b.register.kept = nil
	return known
}

// partsOf are the parts of an element whose owners the register knows, of each
// owner one. What else the register has of it is over.
func (b *Book) partsOf(e event.Grant, known []part, now time.Time) []part {
	var parts []part
	for _, p := range known {
		if p.Until.After(e.Until) || p.owed != nil {
			p.Until = e.Until
		}
		if !p.Until.After(now) || slices.ContainsFunc(parts, owned(p.Grant)) {
			b.register.drop(p.slot, false)
			continue
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		e.Holder = event.Anyone
		parts = append(parts, part{e, noSlot, nil})
	}
	return parts
}

// tolerance is how far kernel and register may be apart: the kernel lists ends as
// time that is left, while time passes.
const tolerance = time.Second

// restore enters one element, with what was asked of it since, and has the
// kernel's end agree.
func (b *Book) restore(k key, e event.Grant, parts []part, since *missed, now time.Time) (ended []event.Grant, err error) {
	var kept, rest []part
	for _, p := range parts {
		if anyOf(since.forgotten, p.Grant) {
			b.register.drop(p.slot, false)
			continue
		}
		if anyOf(since.revoked, p.Grant) {
			p.owed = &owed{now, event.ByOperator}
		}
		kept = append(kept, p)
		if p.owed != nil && !p.owed.until.After(now) {
			ended = append(ended, p.Grant)
			continue
		}
		if p.owed != nil && p.owed.until.Before(p.Until) {
			p.Until = p.owed.until
		}
		p.owed = nil
		rest = append(rest, p)
	}
	given := b.live[k] // since Expect
	has := e.Until
	if len(given) > 0 {
		has = time.Time{} // the list may be older or newer than that
		ended = nil       // the newer grant has taken its place
	}
	if err = b.agree(e, slices.Concat(rest, given), has, len(ended) > 0, now); err != nil {
		rest, ended = kept, nil // still in force
		b.owing[k] = struct{}{}
	}
	for _, p := range kept {
		if at := slices.IndexFunc(rest, owned(p.Grant)); at >= 0 {
			if err == nil && p.owed != nil {
				b.register.put(rest[at], now) // it is owed no longer
			}
			b.adopt(k, rest[at], now)
		} else {
			b.register.drop(p.slot, false)
		}
	}
	return ended, err
}

// adopt enters a part of an earlier process beside those given since.
func (b *Book) adopt(k key, p part, now time.Time) {
	given := b.live[k]
	if at := slices.IndexFunc(given, owned(p.Grant)); at >= 0 {
		b.register.drop(p.slot, false)
		p.slot = given[at].slot
		p.Grant, p.owed = later(p.due(), given[at].due(), now), nil
		b.register.put(p, now)
	} else if p.slot == noSlot {
		p.slot = b.register.take()
		b.register.put(p, now)
	}
	b.enter(k, p, now)
}

// agree gives an element of the kernel the latest end of its parts.
func (b *Book) agree(e event.Grant, parts []part, has time.Time, ended bool, now time.Time) error {
	if len(parts) == 0 {
		if !ended {
			return nil // it is not in force any more
		}
		return b.firewall.Revoke(e)
	}
	g := latest(parts[1:], parts[0].due())
	if !g.Until.After(now) || !g.Until.After(has) && has.Sub(g.Until) <= tolerance {
		return nil
	}
	if g.Single {
		_, err := b.firewall.Renew(g, now)
		return err
	}
	return b.firewall.Grant(g, now)
}

func anyOf(matches []func(event.Grant) bool, g event.Grant) bool {
	return slices.ContainsFunc(matches, func(match func(event.Grant) bool) bool { return match(g) })
}
