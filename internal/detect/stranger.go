package detect

import (
	"fmt"
	"time"

	"sallyport/internal/event"
)

var stranger = &rule{
	name: "unknown-client",
	explain: func(f *event.Finding) string {
		switch f.Severity {
		case event.High:
			return fmt.Sprintf("%s has the server's public key and tries to pass for that client, without its private key", who(f))
		case event.Low:
			return fmt.Sprintf("%s sends messages for this server that do not open: somebody holds its public key, or spoils recorded messages", who(f))
		}
		return fmt.Sprintf("%s has the server's public key and is none of the clients", who(f))
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
	case event.BadSeal: // the tag may be that of a recorded message
		severity = event.Low
	}
	d.raise(subject{rule: stranger, source: e.Source, client: e.Client}, severity, 1)
}
