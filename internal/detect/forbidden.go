package detect

import (
	"fmt"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

const forbiddenWindow = 24 * time.Hour

var forbiddenDoor = &rule{
	name: "forbidden-door",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("%s has asked %s for a door that it may not open", who(l, f), times(l, f.Count))
	},
	advice: "Ask the person. If the door is meant for that client, add it to its doors; if nobody there asked for it, the key is in other hands: remove it.",
	quiet:  forbiddenWindow,
	ours:   true,
}

var forbiddenPlace = &rule{
	name: "forbidden-place",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("%s has knocked %s from an address that it may not knock from", who(l, f), times(l, f.Count))
	},
	advice: "Ask the person. If the place is right, add it to from of that client; if not, the key is in other hands: remove it.",
	quiet:  forbiddenWindow,
	ours:   true,
}

func (d *Detector) observeForbidden(e event.Event) {
	c := d.ofClient(e.Client)
	r, counted := forbiddenDoor, &c.forbidden
	if e.Reason == event.ForbiddenFrom {
		r, counted = forbiddenPlace, &c.misplaced
	}
	severity := event.Info
	if counted.add(d.at(), seconds(forbiddenWindow)) >= d.limits.Forbidden {
		severity = event.Medium
	}
	f := d.raise(subject{rule: r, client: e.Client}, severity, 1)
	f.Source = e.Source // where it was last
	if e.Door != "" || e.Detail != "" {
		f.because("%s", evidenceOf(e))
	}
}

func evidenceOf(e event.Event) string {
	switch {
	case e.Door == "":
		return e.Detail
	case e.Detail == "":
		return fmt.Sprintf("door %q", e.Door)
	}
	return fmt.Sprintf("door %q: %s", e.Door, e.Detail)
}
