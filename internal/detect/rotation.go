package detect

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

const secretsEvery = time.Hour

var overdue = &rule{
	name: "rotation-overdue",
	explain: func(l lang.Lang, f *event.Finding) string {
		if f.Client != "" {
			return l.Sayf("the rotating secret of %s is older than rotation_due", who(l, f))
		}
		if f.Door == "" {
			return l.Say("more secrets are older than rotation_due")
		}
		return l.Sayf("the sequence of door %q is older than rotation_due", f.Door)
	},
	advice: `Change it: "sallyport door rotate" or "sallyport client rotate"; the old one goes on working for a while.`,
	quiet:  3 * secretsEvery,
	ours:   true,
}

// observeSecrets looks at the age of secrets once in a while.
func (d *Detector) observeSecrets() {
	if d.now.Before(d.dueAt) {
		return
	}
	d.dueAt = d.now.Add(secretsEvery)
	for _, o := range d.opts.Config.Overdue(d.now) {
		s := subject{rule: overdue, door: o.Door, client: o.Client}
		if f := d.find(s); f != nil {
			f.Last = d.now // it is the same one, not one more
			continue
		}
		f := d.raiseSince(s, event.Low, 1, o.Due) // the same finding after a restart
		if len(f.Evidence) == 0 {
			f.because("%s", o)
		}
	}
}
