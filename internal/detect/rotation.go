package detect

import (
	"time"

	"sallyport/internal/event"
)

const secretsEvery = time.Hour

var overdue = &rule{
	name: "rotation-overdue",
	explain: func(f *event.Finding) string {
		if f.Client != "" {
			return "the rotating secret of " + who(f) + " is older than rotation_due"
		}
		if f.Door == "" {
			return "more secrets are older than rotation_due"
		}
		return "the sequence of door \"" + f.Door + "\" is older than rotation_due"
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
