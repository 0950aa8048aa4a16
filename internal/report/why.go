package report

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/event"
)

// WhyShown is how many events an explanation shows one by one.
const WhyShown = 8

// Why explains what lately came of a source, a client or a door. It is filled with Take and
// Grant, and Sort is the end.
type Why struct {
	Grants  []event.Grant // in force now
	Reasons []WhyReason   // of refusals and ends, the latest first
	Events  []event.Event // the latest ones, the oldest first

	Granted uint64        // how often a door was opened
	First   []event.Event // the first grants, one for each client, source and door
	Used    bool          // a connection has come by one of the grants
	Last    event.Event   // the latest grant or refusal

	by map[[2]string]*WhyReason
}

// WhyReason is a reason for which something was refused or ended, and what to do about it.
type WhyReason struct {
	Kind    event.Kind   `json:"kind"`
	Reason  event.Reason `json:"reason"`
	Count   uint64       `json:"count"`
	Last    time.Time    `json:"last"`
	Detail  string       `json:"detail,omitempty"`
	Meaning string       `json:"meaning"`
	Advice  string       `json:"advice,omitempty"`
}

// Take adds one event, each later than those before.
func (w *Why) Take(e event.Event) {
	n := max(e.Count.Packets, 1)
	w.Events = append(w.Events, e)
	if len(w.Events) > WhyShown {
		w.Events = w.Events[1:]
	}
	switch e.Kind {
	case event.KindGrant:
		w.Granted += n
		w.Last = e
		w.first(e)
		return
	case event.KindUse:
		w.Used = true
		return
	case event.KindRefusal:
		w.Last = e
	case event.KindBan:
		if e.Ended {
			return
		}
	case event.KindRevocation, event.KindFailure:
	default:
		return
	}
	w.reason(e, n)
}

// first keeps a grant, if it is the first of its kind.
func (w *Why) first(e event.Event) {
	same := func(g event.Event) bool { return g.Source == e.Source && g.Client == e.Client && g.Door == e.Door }
	if len(w.First) < WhyShown && !slices.ContainsFunc(w.First, same) {
		w.First = append(w.First, e)
	}
}

func (w *Why) reason(e event.Event, n uint64) {
	key := [2]string{string(e.Kind), string(e.Reason)}
	one := w.by[key]
	if one == nil {
		if w.by == nil {
			w.by = make(map[[2]string]*WhyReason)
		}
		x, _ := Explain(e.Reason)
		one = &WhyReason{Kind: e.Kind, Reason: e.Reason, Meaning: x.Meaning, Advice: x.Advice}
		w.by[key] = one
	}
	one.Count += n
	one.Last, one.Detail = e.Time, e.Detail
}

// Sort brings the reasons into their order.
func (w *Why) Sort() {
	w.Reasons = w.Reasons[:0]
	for _, one := range w.by {
		w.Reasons = append(w.Reasons, *one)
	}
	slices.SortFunc(w.Reasons, func(a, b WhyReason) int { return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Reason, b.Reason)) })
}

// WhyOf is what is explained: a source, a door or a client, one of them.
type WhyOf struct {
	Source       netip.Prefix
	Door, Client string
}

// Concerns reports whether a grant lets in what is asked about, or was asked for from
// there.
func (o WhyOf) Concerns(g event.Grant) bool {
	switch {
	case o.Door != "":
		return g.Door == o.Door
	case !o.Source.IsValid():
		return g.Client == o.Client
	}
	return o.Source.Contains(g.Source.Unmap()) || o.Source.Overlaps(g.From())
}
