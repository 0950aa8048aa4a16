//go:build linux

package ban

import (
	"fmt"
	"time"

	"sallyport/internal/daemon/decoy"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/packet"
)

// againAfter is when the same decoy counts again.
const againAfter = time.Minute

// Evidence is something held against a source.
type Evidence struct {
	What string // for people
	Once string // what is one and the same counts once in a while: every connection to one decoy; empty: it counts
	Weak bool   // a browser does the same when a page says so: it adds to other evidence, and is none alone
}

// suspicion is what is held against a source.
type suspicion struct {
	since        time.Time
	strong, weak int
	seen         map[string]time.Time // when what counts once was seen; bounded by the number of decoys
}

// add reports whether that is something new.
func (s *suspicion) add(now time.Time, e Evidence) bool {
	if e.Once != "" {
		if at, known := s.seen[e.Once]; known && now.Sub(at) < againAfter {
			return false
		}
		if s.seen == nil {
			s.seen = make(map[string]time.Time)
		}
		s.seen[e.Once] = now
	}
	if e.Weak {
		s.weak++
	} else {
		s.strong++
	}
	return true
}

func (s *suspicion) enough(tries int) bool { return s.strong > 0 && s.strong+s.weak >= tries }

// Touched is the evidence of a connection to a decoy.
func Touched(port packet.Port, said decoy.Said) Evidence {
	e := Evidence{What: "connected to the decoy " + port.String(), Once: port.String(), Weak: said == decoy.Browser}
	if e.Weak {
		e.What += " as a browser does"
	}
	return e
}

// Misused holds against a source that its client has signed, with its
// address, a request for what it may not have. Without the address, someone on
// the way could send the message on from anywhere.
func (b *Bans) Misused(now time.Time, decision gate.Decision) {
	forbidden := decision.Reason == event.ForbiddenDoor || decision.Reason == event.ForbiddenFrom
	if forbidden && decision.Authenticated && decision.Bound {
		b.Accuse(now, decision.Source, Evidence{What: fmt.Sprintf("client %q asked for what it may not have (%s)", decision.Client, decision.Reason)})
	}
}
