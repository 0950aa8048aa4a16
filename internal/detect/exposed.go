package detect

import (
	"slices"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

// Exposure is a way by which a door is open on the host, no matter who knocks.
type Exposure struct {
	Rule string // of package lint
	Text string
}

const exposedEvery = time.Minute

var exposed = &rule{
	name: "exposed",
	explain: func(l lang.Lang, _ *event.Finding) string {
		return l.Say("on this host a door is open to everybody, or part of what it seems to guard: an address that is translated, a port that leads around it, an interface that is not there")
	},
	advice: `"sallyport check" says where, and what to do.`,
	quiet:  3 * exposedEvery,
}

// observeExposure asks once in a while by what doors are open on the host.
func (d *Detector) observeExposure() {
	if d.opts.Exposed == nil || d.now.Before(d.exposedAt) {
		return
	}
	d.exposedAt = d.now.Add(exposedEvery)
	list := d.opts.Exposed()
	if len(list) == 0 {
		return
	}
	s := subject{rule: exposed}
	f := d.find(s)
	if f == nil {
		f = d.raise(s, event.High, 1)
	}
	f.Last = d.now // it is the same one, not one more
	for _, e := range list {
		if line := e.Rule + ": " + e.Text; !slices.Contains(f.Evidence, line) {
			f.because("%s", line)
		}
	}
}
