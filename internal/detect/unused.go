package detect

import (
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

var neverUsed = &rule{
	name: "opened-never-used",
	explain: func(l lang.Lang, f *event.Finding) string {
		by := who(l, f)
		return l.Sayf("%s has opened door %q %s without using it", by, f.Door, times(l, f.Count))
	},
	advice: "The person may not get through for another reason (service down, another firewall, wrong address). If something knocks by itself, let it knock only when it needs to.",
	quiet:  24 * time.Hour,
	ours:   true,
}

// unusedGrants follows which grants are used. Grants cannot be forged, so this
// grows with those who may get in; it is bounded all the same.
type unusedGrants struct {
	open map[visit]bool // those in force, and whether they were used
	row  map[visit]int  // unused grants in a row; of a client, whatever the source
}

const (
	maxVisits = 1 << 16

	// unusedFew in a row are nothing yet: people change their minds.
	unusedFew = 3
)

// visit is who may come to which door.
type visit struct {
	source netip.Addr
	client string
	door   string
}

func newUnusedGrants() unusedGrants {
	return unusedGrants{open: make(map[visit]bool), row: make(map[visit]int)}
}

func visitOf(e event.Event) visit { return visit{e.Source, e.Client, e.Door} }

// counted is the visit under which grants in a row are counted.
func (v visit) counted() visit {
	if v.client != "" {
		v.source = netip.Addr{}
	}
	return v
}

// granted: a grant that is renewed while it is in force stays one grant.
func (u *unusedGrants) granted(v visit) {
	if _, there := u.open[v]; !there && len(u.open) < maxVisits {
		u.open[v] = false
	}
}

func (u *unusedGrants) used(v visit) {
	if _, there := u.open[v]; there {
		u.open[v] = true
	}
	delete(u.row, v.counted())
}

func (u *unusedGrants) forget(v visit) { delete(u.open, v) }

// expired returns how many grants in a row were not used; 0: this one was, or
// nobody knows.
func (u *unusedGrants) expired(v visit) int {
	used, known := u.open[v]
	delete(u.open, v)
	if used || !known {
		return 0
	}
	c := v.counted()
	if u.row[c] == 0 && len(u.row) >= maxVisits {
		clear(u.row)
	}
	u.row[c]++
	return u.row[c]
}

func (d *Detector) observeExpiry(e event.Event) {
	n := d.unused.expired(visitOf(e))
	if n < min(unusedFew, d.limits.Unused) {
		return
	}
	severity := event.Info
	if n >= d.limits.Unused {
		severity = event.Low
	}
	v := visitOf(e).counted()
	about := subject{rule: neverUsed, source: v.source, client: v.client, door: v.door}
	if d.find(about) == nil {
		d.raise(about, severity, uint64(n))
		return
	}
	d.raise(about, severity, 1)
}
