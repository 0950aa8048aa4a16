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

// Revoke ends the grants that match and returns them. Where others own a part of
// the same element, it is shortened to the latest of their ends. What the firewall
// does not end stays in the book, and is in the error; the rest ends.
func (b *Book) Revoke(match func(event.Grant) bool, now time.Time) ([]event.Grant, error) {
	return b.Trim(func(g event.Grant) time.Time {
		if match(g) {
			return time.Time{}
		}
		return g.Until
	}, now)
}

// Trim has no grant last longer than until says, and returns those that end by
// that, as Revoke does.
func (b *Book) Trim(until func(event.Grant) time.Time, now time.Time) ([]event.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ends := func(g event.Grant) bool {
		most := until(g)
		return most.Before(g.Until) && !most.After(now)
	}
	if b.waiting != nil {
		b.waiting.revoked = append(b.waiting.revoked, ends)
	}
	var ended []event.Grant
	var failed failures
	for _, k := range b.matching(func(g event.Grant) bool { return until(g).Before(g.Until) }) {
		var rest []part
		var gone []event.Grant
		for _, p := range b.live[k] {
			if ends(p.Grant) {
				gone = append(gone, p.Grant)
				continue
			}
			if most := until(p.Grant); most.Before(p.Until) {
				p.Until = most
			}
			rest = append(rest, p)
		}
		if err := b.shorten(k, rest, now); err != nil {
			failed.add("close", b.live[k][0].Grant, err)
			continue
		}
		b.replace(k, rest, now)
		ended = append(ended, gone...)
	}
	sortGrants(ended)
	return ended, failed.err()
}

// replace has the book say what is left of an element.
func (b *Book) replace(k key, rest []part, now time.Time) {
	stays := func(p part) bool { return slices.ContainsFunc(rest, owned(p.Grant)) }
	b.remove(k, func(p part) bool { return !stays(p) }, now)
	for _, p := range rest {
		at := slices.IndexFunc(b.live[k], owned(p.Grant))
		if before := b.live[k][at]; !before.Until.Equal(p.Until) {
			b.register.put(p.slot, p.Grant, now)
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
	was := latest(b.live[k][1:], b.live[k][0].Grant)
	rest = slices.DeleteFunc(slices.Clone(rest), func(p part) bool { return !p.Until.After(now) })
	if len(rest) == 0 {
		return b.firewall.Revoke(was)
	}
	left := latest(rest[1:], rest[0].Grant)
	if !was.Until.After(left.Until) {
		return nil
	}
	if left.Single {
		_, err := b.firewall.Renew(left, now) // if it has been used there is nothing to shorten
		return err
	}
	return b.firewall.Grant(left, now)
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
