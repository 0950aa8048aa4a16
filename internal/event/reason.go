package event

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
	ByFwknop   Reason = "fwknop"   // a packet of fwknop's client, made with the client's keys
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
	Replayed      Reason = "replay"         // seen before, from the same source; of a bound message, from any
	Intercepted   Reason = "interception"   // an unbound message, seen before from another source
	BadSTUN       Reason = "stun-form"      // STUN, but not a request of a browser with a message in it
	BadIntegrity  Reason = "stun-integrity" // the request was not made by the maker of the message in it
	ForbiddenWay  Reason = "forbidden-way"  // the client may not use this suite, or no STUN
	Roamed        Reason = "roamed"         // a message in STUN, seen just before from another source
	BadProof      Reason = "proof"          // the client's signature does not verify
	NoRecord      Reason = "no-record"      // the replay guard could not record the message
	InviteEnded   Reason = "invite-ended"   // the invite was valid until before
	InviteUsed    Reason = "invite-used"    // another key has used the invite, or its client was removed
	Collision     Reason = "collision"      // name or key are another client's, or a door is gone
	NotOpened     Reason = "not-opened"     // the firewall did not take the grant

	// Of packets at the port of fwknop's clients.
	NotFwknop     Reason = "fwknop-form"        // no packet of fwknop's looks like that
	NoFwknopKey   Reason = "fwknop-hmac"        // the keyed hash is none of a client's
	BadFwknop     Reason = "fwknop-content"     // made with the right key, and not as fwknop writes it
	FwknopTooMuch Reason = "fwknop-unsupported" // asks for a command or for address translation

	UsedStep   Reason = "used-step"  // a rotating or one-time sequence that has opened already
	NotNext    Reason = "not-next"   // a one-time sequence whose turn has not come
	OutOfHours Reason = "hours"      // outside the opening hours of the door or the client
	TooMany    Reason = "max-grants" // the client has as many grants as it may have at a time
	Banned     Reason = "banned"     // the source is banned
	Revoked    Reason = "revoked"    // the fleet has revoked or removed the client
	NoFleet    Reason = "no-fleet"   // etcd has been away for too long, or shows less than is known
	AsksFull   Reason = "asks-full"  // as many ask to be let in as an operator is shown
)

// Reasons of logins.
const (
	LoginAccepted Reason = "accepted"
	LoginFailed   Reason = "failed"
)
