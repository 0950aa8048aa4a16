package gate

import (
	"net/netip"
	"time"

	"sallyport/internal/packet"
)

// Grant is the permission of one source, or of all with its prefix, to use one
// door until a time.
type Grant struct {
	Door   string     `json:"door"`
	Source netip.Addr `json:"source"`
	Client string     `json:"client,omitempty"` // empty for a static sequence or an operator
	Until  time.Time  `json:"until"`
	Single bool       `json:"single"`           // used up by the first new connection
	Prefix int        `json:"prefix,omitempty"` // for all addresses with the first so many bits of the source; 0: the source alone
}

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
	KindOverload   Kind = "overload" // something was lost or skipped because too much arrived
	KindClock      Kind = "clock"    // the clock of a client, or our own, is off
	KindKey        Kind = "key"      // a server key was made or rotated
	KindFailure    Kind = "failure"  // something on the host did not work; nothing was opened by it
	KindUse        Kind = "use"      // a connection that a grant let in has begun, or ended
	KindContacts   Kind = "contacts" // closed ports that one source has touched in an interval
	KindBan        Kind = "ban"      // a source was banned, or its ban has ended
	KindLogin      Kind = "login"    // somebody has logged in at the service behind a door, or failed to
	KindFinding    Kind = "finding"  // something worth a look: see Finding
)

// Reason says why, in one word. The set is closed: counters are kept by reason.
type Reason string

// Reasons of grants and revocations.
const (
	BySequence Reason = "sequence" // the whole static sequence, in order, in time
	BySPA      Reason = "spa"      // an authenticated SPA message
	ByOperator Reason = "operator" // a command on the control socket
	ByReload   Reason = "reload"   // the new configuration no longer has this door or client
	ByClient   Reason = "client"   // the client gave the grant back
	ByRotating Reason = "rotating" // the whole rotating sequence of a current step
	ByOneTime  Reason = "one-time" // a sequence from a list of which each opens once
	ByRollback Reason = "rollback" // a new configuration was not confirmed in time
)

// Reasons of refusals. The first group concerns sequences, the second SPA
// messages, in the order in which they are checked.
const (
	WrongKnock Reason = "wrong-knock" // a sequence broken off by a knock that is not its next
	TooSlow    Reason = "too-slow"    // the right sequence, but not within its time limit
	Scanner    Reason = "scanner"     // the source touches many closed ports; its knocks do not count

	BadLength     Reason = "length"         // no valid message has this length
	BadTag        Reason = "tag"            // the moat tag T does not fit any current epoch
	OverBudget    Reason = "budget"         // too many well-tagged packets
	BadSeal       Reason = "seal"           // HPKE does not open
	BadHeader     Reason = "header"         // opened, but the header is not one we would write
	UnknownClient Reason = "unknown-client" // no client has this id
	UnknownDoor   Reason = "unknown-door"   // no door has this id
	ForbiddenDoor Reason = "forbidden-door" // the client may not use this door
	ForbiddenFrom Reason = "forbidden-from" // the client may not knock from this source
	KeyExpired    Reason = "key-expired"    // the client's key is past its expiry time
	WrongAddress  Reason = "wrong-address"  // bound to another source, or unbound where that is not allowed
	StaleTime     Reason = "stale"          // stamped outside the time window
	Replayed      Reason = "replay"         // seen before, from the same source
	Intercepted   Reason = "interception"   // seen before, from another source
	BadProof      Reason = "proof"          // the client's signature does not verify
	NoRecord      Reason = "no-record"      // the replay guard could not record the message
	NotOpened     Reason = "not-opened"     // the firewall did not take the grant

	UsedStep   Reason = "used-step"  // a rotating or one-time sequence that has opened already
	NotNext    Reason = "not-next"   // a one-time sequence whose turn has not come
	OutOfHours Reason = "hours"      // outside the opening hours of the door or the client
	TooMany    Reason = "max-grants" // the client has as many grants as it may have at a time
	Banned     Reason = "banned"     // the source is banned
)

// Reasons of logins.
const (
	LoginAccepted Reason = "accepted"
	LoginFailed   Reason = "failed"
)

// Proved tells whether a refusal for this reason concerns a message whose
// sender has proved who he is, so that nobody else decides how many there are.
// An interception is told once for each such message.
func (r Reason) Proved() bool {
	switch r {
	case UnknownDoor, ForbiddenDoor, ForbiddenFrom, KeyExpired, WrongAddress, NoRecord, Intercepted, OutOfHours, TooMany:
		return true
	}
	return false
}

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

	// What detection reads; it is part of Detail, too.
	Right int      `json:"-"` // of a broken sequence: right knocks in a row
	Of    int      `json:"-"` // of a broken sequence: its length
	Count Contacts `json:"-"` // of KindContacts, and of refusals that are summed up; of what has ended, when that was: see Over

	// Finding is what KindFinding is about.
	Finding *Finding `json:"finding,omitempty"`
}

// Over tells whether a use or a ban is over, rather than has begun.
func (e *Event) Over() bool { return !e.Count.Last.IsZero() }

// Contacts sums up how one source has touched closed ports in an interval. The
// source is what the packets claim: anybody can write any address there.
type Contacts struct {
	Packets     uint64
	Ports       uint32 // distinct destination ports, approximately
	Seen        uint64 // a bit for each of them, by PortBit; zero: unknown
	First, Last time.Time
}

// PortBit is the bit of a port in Contacts.Seen, by multiplicative hashing, so
// that neighbouring ports have different ones.
func PortBit(p packet.Port) uint64 {
	return 1 << ((uint64(p.Proto)<<16 | uint64(p.Number)) * 0x9E3779B97F4A7C15 >> 58)
}

// Ban keeps a source out until a time.
type Ban struct {
	Source netip.Prefix `json:"source"`
	Until  time.Time    `json:"until"`
}

// BannedAs is what is banned with an address: of IPv6 its /64, because whoever
// has one address of it has all.
func BannedAs(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// Severity says how soon somebody should look at a finding.
type Severity string

// The severities, from the least to the most.
const (
	Info     Severity = "info"     // ordinary; kept for the report
	Low      Severity = "low"      // worth a look this week
	Medium   Severity = "medium"   // worth a look today
	High     Severity = "high"     // somebody is attacking, or a secret is no longer secret
	Critical Severity = "critical" // act now
)

// Finding is something worth a look. It is raised once, and counts what
// belongs to it afterwards.
type Finding struct {
	ID           string     `json:"id"`   // short, stable for rule and subject until the finding is over
	Rule         string     `json:"rule"` // such as "scan-slow"
	Severity     Severity   `json:"severity"`
	Source       netip.Addr `json:"source,omitzero"`
	Door         string     `json:"door,omitempty"`
	Client       string     `json:"client,omitempty"`
	First        time.Time  `json:"first"`
	Last         time.Time  `json:"last"`
	Count        uint64     `json:"count"`       // how often it was seen, at least 1
	Explanation  string     `json:"explanation"` // one sentence
	Advice       string     `json:"advice"`      // what to do
	Evidence     []string   `json:"evidence,omitempty"`
	Acknowledged bool       `json:"acknowledged"`
}
