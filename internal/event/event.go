// Package event holds the words that everything which decides or hears shares:
// what happened (Event, its Kind and Reason), what was given (Grant), and what
// deserves a look (Finding). It does no work of its own: it imports the words
// for packets and nothing else, so that whatever hears events depends on these
// words, and not on the gate that decides.
package event

import (
	"net/netip"
	"time"
)

// Kind says what sort of thing happened.
type Kind string

// The kinds of event.
const (
	KindGrant      Kind = "grant"
	KindRefusal    Kind = "refusal"
	KindExpiry     Kind = "expiry"
	KindRevocation Kind = "revocation"
	KindRepair     Kind = "repair" // the firewall table had been removed and was put back
	KindReload     Kind = "reload"
	KindStart      Kind = "start"
	KindStop       Kind = "stop"
	KindOverload   Kind = "overload"  // something was lost or skipped because too much arrived
	KindClock      Kind = "clock"     // the clock of a client, or our own, is off
	KindKey        Kind = "key"       // a server key was made or rotated
	KindEnrolment  Kind = "enrolment" // an invite was made, used or taken back; who has enrolled was labelled or removed
	KindFailure    Kind = "failure"   // something on the host did not work; nothing was opened by it
	KindUse        Kind = "use"       // a connection that a grant let in has begun, or ended
	KindContacts   Kind = "contacts"  // closed ports that one source has touched in an interval
	KindBan        Kind = "ban"       // a source was banned, or its ban has ended
	KindLogin      Kind = "login"     // someone has logged in at the service behind a door, or failed to; ByOperator: at the console
	KindFinding    Kind = "finding"   // something worth a look: see Finding
	KindAck        Kind = "ack"       // someone has acknowledged a finding
	KindDrill      Kind = "drill"     // the consent to a drill from elsewhere was given, or has ended
	KindAsked      Kind = "asked"     // someone asks an operator to be let in
	KindAllowed    Kind = "allowed"   // an operator has let in who asked
	KindDeclined   Kind = "declined"  // an operator has not, or wrong codes have ended it
)

// Kinds returns every kind of event, in the order above.
func Kinds() []Kind {
	return []Kind{KindGrant, KindRefusal, KindExpiry, KindRevocation, KindRepair, KindReload, KindStart, KindStop, KindOverload,
		KindClock, KindKey, KindEnrolment, KindFailure, KindUse, KindContacts, KindBan, KindLogin, KindFinding, KindAck, KindDrill, KindAsked, KindAllowed, KindDeclined}
}

// Part names the room of the daemon that an event is from, where that matters
// to who hears it.
type Part string

// PartWebhook marks the failures of webhooks, which no webhook is sent.
const PartWebhook Part = "webhook"

// Event is something that happened, as the journal, the metrics and the
// dashboard see it.
type Event struct {
	Time   time.Time  `json:"time"`
	Kind   Kind       `json:"kind"`
	Door   string     `json:"door,omitempty"`
	Client string     `json:"client,omitempty"`
	Source netip.Addr `json:"source,omitzero"`
	Reason Reason     `json:"reason,omitempty"`
	Detail string     `json:"detail,omitempty"` // for people; may hold text an attacker chose, so print it quoted

	// What is proved about it. These are two things: a client's key shows who
	// sent a message, and not from where. What concerns a client goes by the
	// first, what has consequences for an address by the second.
	Authenticated bool `json:"authenticated,omitempty"` // a client has shown its key by a message, or its secret by a sequence, that can cause this once
	Bound         bool `json:"bound,omitempty"`         // the source is true: a client has signed it, or it has completed a handshake

	// What those who hear it read; it is part of Detail, too.
	Ended bool     `json:"-"` // of KindUse and KindBan: this is the end, not the beginning
	Part  Part     `json:"-"` // empty: the gate, or it does not matter
	Right int      `json:"-"` // of a broken sequence: right knocks in a row
	Of    int      `json:"-"` // of a broken sequence: its length
	Count Contacts `json:"-"` // of KindContacts, and of refusals that are summed up; of a use that has ended, from when to when

	// Finding is what KindFinding is about.
	Finding *Finding `json:"finding,omitempty"`
}

// Hostile reports whether strangers can cause an event, as often as they like.
// How many there are must not decide how long a log or a journal gets.
func (e Event) Hostile() bool {
	switch e.Kind {
	case KindContacts:
		return true
	case KindLogin: // at the console there are so many in a minute
		return e.Reason != ByOperator
	case KindRefusal, KindClock:
		return !e.Authenticated
	}
	return false
}

// Anonymous reports whether an event is of a grant that is no client's: those who
// have overheard a static sequence can cause any number of them.
func (e Event) Anonymous() bool {
	switch e.Kind {
	case KindGrant, KindExpiry, KindRevocation, KindUse:
		return e.Client == "" && e.Reason != ByOperator
	case KindFailure, KindOverload: // it was not put into force
		return e.Client == "" && e.Reason == NotOpened
	}
	return false
}

// Provoked reports whether strangers have a hand in an event that is not
// Hostile: each costs them something, or it is one for many of theirs.
func (e Event) Provoked() bool {
	switch e.Kind {
	case KindBan:
		return e.Reason != ByOperator
	case KindFinding:
		return e.Finding != nil && e.Finding.Hostile
	case KindFailure, KindOverload:
		return true
	case KindAsked: // there are so many in ten minutes
		return !e.Authenticated
	case KindLogin:
		return e.Reason == ByOperator && !e.Authenticated
	}
	return false
}
