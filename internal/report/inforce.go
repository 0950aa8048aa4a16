package report

import (
	"net/netip"

	"sallyport/internal/event"
)

// maxInForce is of how many grants the report knows that they are in force.
const maxInForce = 1 << 16

// visit is whose grant it is, from where, at which door.
type visit struct {
	source       netip.Addr
	client, door string
}

// inForce are the grants that have begun and not ended, and whether each has been
// used. A client that keeps a door open asks again and again: that is one grant.
type inForce map[visit]bool

// goesOn takes an event and reports whether it only continues what was counted: a
// grant before the last one has ended, or a further use of one.
func (f inForce) goesOn(e event.Event) bool {
	v := visit{e.Source, e.Client, e.Door}
	used, known := f[v]
	switch e.Kind {
	case event.KindStart: // what ended while no daemon ran is not known
		clear(f)
	case event.KindExpiry, event.KindRevocation:
		delete(f, v)
	case event.KindGrant:
		if !known && len(f) < maxInForce {
			f[v] = false
		}
		return known
	case event.KindUse:
		if known {
			f[v] = true
		}
		return used
	}
	return false
}
