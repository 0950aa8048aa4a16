package detect

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

var stranger = &rule{
	name: "unknown-client",
	explain: func(l lang.Lang, f *event.Finding) string {
		switch f.Severity {
		case event.High:
			return l.Sayf("%s has the server's public key and tries to pass for that client, without its private key", who(l, f))
		case event.Low:
			return l.Sayf("%s sends messages for this server that do not open: someone holds its public key, or spoils recorded messages", who(l, f))
		}
		return l.Sayf("%s has the server's public key and is none of the clients", who(l, f))
	},
	advice: "If you know who it is, add or renew that client (sallyport client add). If not, find out how the public key got there and rotate it (sallyport server-key rotate). It opens no door.",
	quiet:  24 * time.Hour,
}

// observeStranger takes a message whose moat tag is right, which only the
// server's public key can make, but which no client has sent.
func (d *Detector) observeStranger(e event.Event) {
	severity := event.Medium
	switch e.Reason {
	case event.BadProof:
		severity = event.High
	case event.BadSeal, event.BadIntegrity: // the tag may be that of a recorded message
		severity = event.Low
	}
	d.raise(subject{rule: stranger, source: e.Source, client: e.Client}, severity, 1)
}
