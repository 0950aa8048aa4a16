package grant

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/internal/event"
)

// owed is an end that a part was to have, and has not yet: the kernel is still to
// be told, or has failed.
type owed struct {
	until time.Time
	why   event.Reason
}

// due is a part as the kernel should have it.
func (p part) due() event.Grant {
	g := p.Grant
	if p.owed != nil {
		g.Until = p.owed.until
	}
	return g
}

// Revoke ends the grants that match and returns them. Where others own a part of
// the same element, it is shortened to the latest of their ends. What the firewall
// does not end stays in the book, and is in the error; the rest ends. Settle tries
// it again.
func (b *Book) Revoke(why event.Reason, match func(event.Grant) bool, now time.Time) ([]event.Grant, error) {
	return b.Trim(why, func(g event.Grant) time.Time {
		if match(g) {
			return time.Time{}
		}
		return g.Until
	}, now)
}

// Trim has no grant last longer than until says, and returns those that end by
// that, as Revoke does.
func (b *Book) Trim(why event.Reason, until func(event.Grant) time.Time, now time.Time) ([]event.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting != nil {
		b.waiting.revoked = append(b.waiting.revoked, func(g event.Grant) bool {
			most := until(g)
			return most.Before(g.Until) && !most.After(now)
		})
	}
	var ended []event.Grant
	var failed failures
	for _, k := range b.matching(func(g event.Grant) bool { return until(g).Before(g.Until) }) {
		b.owe(k, why, until, now)
		for _, p := range b.settle(k, &failed, now) {
			ended = append(ended, p.Grant)
		}
	}
	sortGrants(ended)
	return ended, failed.err()
}

// owe writes down which parts of an element are to end, so that this is known
// whatever comes of telling the kernel.
func (b *Book) owe(k key, why event.Reason, until func(event.Grant) time.Time, now time.Time) {
	for i := range b.live[k] {
		p := &b.live[k][i]
		most := until(p.Grant)
		if !most.Before(p.due().Until) {
			continue
		}
		if most.Before(now) {
			most = now // the register has no time before the boot
		}
		p.owed = &owed{most, why}
		b.register.put(*p, now)
	}
	b.owing[k] = struct{}{}
}

// Owes reports whether a revocation may have been left undone.
func (b *Book) Owes() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.owing) > 0
}

// Settle tries again what the firewall has failed to end, until it has failed too
// often, and returns what ends by that, by the reasons for which it was to. Without
// an error nothing is left.
func (b *Book) Settle(now time.Time) (map[event.Reason][]event.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ended := make(map[event.Reason][]event.Grant)
	var failed failures
	for k := range b.owing { // in random order: no element keeps others from their turn
		for _, p := range b.settle(k, &failed, now) {
			ended[p.owed.why] = append(ended[p.owed.why], p.Grant)
		}
		if len(failed.list) == mostErrors {
			break
		}
	}
	for _, list := range ended {
		sortGrants(list)
	}
	return ended, failed.err()
}

// settle has the kernel, and then the book, end what is owed of an element, and
// returns the parts that have ended.
func (b *Book) settle(k key, failed *failures, now time.Time) (gone []part) {
	parts := b.live[k]
	if len(parts) == 0 { // the rest ended by itself
		delete(b.owing, k)
		return nil
	}
	var rest []part
	for _, p := range parts {
		if p.owed == nil || p.owed.until.After(now) {
			p.Grant, p.owed = p.due(), nil
			rest = append(rest, p)
		} else {
			gone = append(gone, p)
		}
	}
	if err := b.shorten(k, rest, now); err != nil {
		failed.add("close", parts[0].Grant, err)
		b.owing[k] = struct{}{}
		return nil
	}
	delete(b.owing, k)
	b.replace(k, rest, now)
	return gone
}

// replace has the book say what is left of an element.
func (b *Book) replace(k key, rest []part, now time.Time) {
	stays := func(p part) bool { return slices.ContainsFunc(rest, owned(p.Grant)) }
	b.remove(k, func(p part) bool { return !stays(p) }, now)
	for _, p := range rest {
		at := slices.IndexFunc(b.live[k], owned(p.Grant))
		if b.live[k][at].owed != nil {
			b.register.put(p, now)
			b.enter(k, p, now)
		}
	}
}

// matching lists the elements of which something matches, in an order that does
// not depend on chance.
func (b *Book) matching(match func(event.Grant) bool) []key {
	var list []key
	for k, parts := range b.live {
		if slices.ContainsFunc(parts, func(p part) bool { return match(p.Grant) }) {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(x, y key) int {
		return cmp.Or(cmp.Compare(x.door, y.door), x.from.Addr().Compare(y.from.Addr()), cmp.Compare(x.from.Bits(), y.from.Bits()), inOrder(x.single, y.single))
	})
	return list
}

// shorten has the kernel end all of an element but the rest.
func (b *Book) shorten(k key, rest []part, now time.Time) error {
	was := longest(b.live[k])
	rest = slices.Concat(rest, b.earlier(k, now))
	rest = slices.DeleteFunc(rest, func(p part) bool { return !p.Until.After(now) })
	if len(rest) == 0 {
		return b.firewall.Revoke(was)
	}
	left := latest(rest[1:], rest[0].due())
	if !was.Until.After(left.Until) {
		return nil
	}
	if left.Single {
		_, err := b.firewall.Renew(left, now) // if it has been used there is nothing to shorten
		return err
	}
	return b.firewall.Grant(left, now)
}

// longest is what ends last of some parts, as the kernel may have it.
func longest(parts []part) event.Grant {
	return slices.MaxFunc(parts, func(x, y part) int { return x.Until.Compare(y.Until) }).Grant
}

// mostErrors bounds what is said about many failures.
const mostErrors = 10

// failures gathers errors, as many as anybody reads.
type failures struct {
	list []string
	more int
}

func (f *failures) add(what string, g event.Grant, err error) {
	if err == nil {
		return
	}
	if len(f.list) >= mostErrors {
		f.more++
		return
	}
	f.list = append(f.list, fmt.Sprintf("%s door %q for %s: %v", what, g.Door, g.For(), err))
}

func (f *failures) err() error {
	if len(f.list) == 0 {
		return nil
	}
	text := strings.Join(f.list, "; ")
	if f.more > 0 {
		text += fmt.Sprintf("; and %d more", f.more)
	}
	return errors.New(text)
}
