package detect

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

const (
	loginWindow = 10 * time.Minute
	// loginAfter is how long after a grant a source's logins are of interest:
	// sessions and their retries outlive the grant.
	loginAfter = time.Hour
)

var failedLogins = &rule{
	name: "failed-logins",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("%s has opened a door and then failed to log in %s", who(l, f), times(l, f.Count))
	},
	advice: "The person knows how to knock and not how to log in: ask the person behind that knock. If it was not them, change the sequence or remove the client (sallyport why SOURCE shows which).",
	quiet:  time.Hour,
}

func (d *Detector) observeLogin(e event.Event) {
	c := d.sources.find(e.Source)
	if c == nil || c.granted == 0 || d.at()-c.granted >= seconds(loginAfter) {
		return
	}
	if e.Reason == event.LoginAccepted || e.Authenticated {
		c.logins = tally{}
		return
	}
	if c.logins.add(d.at(), seconds(loginWindow)) < d.limits.FailedLogins {
		return
	}
	f := d.raiseAll(subject{rule: failedLogins, source: e.Source}, event.High, &c.logins)
	if e.Detail != "" {
		f.because("%s", e.Detail)
	}
}
