package detect

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

var clocks = &rule{
	name: "clock",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("%s sends messages with a time that is not now: its clock is wrong, or the messages are old", who(l, f))
	},
	advice: `Set the clock of that device ("sallyport doctor" there shows how far it is off). If its clock is right, someone sends recorded messages, which open nothing.`,
	quiet:  12 * time.Hour,
}

func (d *Detector) observeClock(e event.Event) {
	about := subject{rule: clocks, client: e.Client}
	if e.Client == "" {
		about.source = e.Source
	}
	f := d.raise(about, event.Info, 1)
	if f.Client != "" {
		f.Source = e.Source // where its latest message came from
	}
	if e.Detail != "" && len(f.Evidence) == 0 {
		f.because("%s", e.Detail)
	}
}
