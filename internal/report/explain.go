package report

import (
	"maps"
	"slices"

	"sallyport/internal/event"
)

// Explanation says in plain words what a reason means, and what anyone who
// knocked, or the administrator, should do about it.
type Explanation struct {
	Meaning string // a sentence without its end
	Advice  string // a sentence; empty where there is nothing to do
}

// Explain returns what a reason means. ok is false for one that is not known.
func Explain(r event.Reason) (e Explanation, ok bool) {
	e, ok = explanations[r]
	return e, ok
}

// Reasons returns every reason, sorted.
func Reasons() []event.Reason { return slices.Sorted(maps.Keys(explanations)) }

const clock = `Set the clock of that device (on Linux: "timedatectl set-ntp true"); "sallyport doctor PROFILE" there shows how far it is off.`

var explanations = map[event.Reason]Explanation{
	event.BySequence: {"the whole sequence was knocked, in order and in time", ""},
	event.BySPA:      {"an authenticated message asked for it", ""},
	event.ByOperator: {"someone on the server did it with the command line, or another system with the token of the API", ""},
	event.ByReload:   {"the new configuration no longer has this door or this client", "If that was not meant, put it back and run sallyport reload."},
	event.ByClient:   {"the client gave the grant back itself", ""},
	event.ByRotating: {"the whole rotating sequence of a current time step was knocked", ""},
	event.ByOneTime:  {"a sequence that works a single time was knocked", "Use the next one of the list the next time."},
	event.ByFwknop:   {"a packet of fwknop's client asked for it, made with the keys of that client", "Give that device a key of its own when you can (sallyport client add): fwknop's packets are weaker than our messages."},
	event.ByRollback: {"a new configuration was not confirmed in time, and the one before came back", "Check what had changed, and confirm it the next time."},

	event.WrongKnock: {"a sequence was begun and then broken off by a knock that is not its next",
		"Compare ports, protocols and order with the door's sequence. Send nothing else in between: a browser, a scan or a second attempt at the same time resets the progress."},
	event.TooSlow: {"the knocks were right, but took longer than the door allows",
		"Knock faster, or raise within of that door. On slow or lossy lines a single message (SPA) is the better way."},
	event.Scanner: {"this address touched many closed ports, or guessed, so its knocks do not count",
		"Wait a minute without touching closed ports and knock again. If someone behind the same address scans, use SPA: scans do not disturb it."},

	event.BadLength: {"a datagram came to the SPA port that cannot be a message: its length is wrong",
		"If someone knocked from there: their profile or program is for another version. Otherwise it is noise, and harmless."},
	event.BadTag: {"a datagram came to the SPA port that was not made with this server's public key and the present time",
		"If someone knocked from there: look whether their clock is right and their profile has the present server key (sallyport doctor PROFILE). Otherwise it is noise, and harmless."},
	event.OverBudget: {"more messages came from there than are looked at",
		"Knock once and wait for the answer. If nobody knocks there: someone who has the server's public key sends junk; rotate it (sallyport server-key rotate)."},
	event.BadSeal: {"a message was made for this server, but is damaged or sealed for another key",
		"Give that client a new profile; its server key is out of date or was mistyped. From a stranger: someone holds part of your server's public key."},
	event.BadHeader: {"a message could be opened, but does not say what a message says",
		"Use a client of the same version as the server."},
	event.UnknownClient: {"a message names a key that no client has",
		"If you know who it is: add the public key (sallyport client add). If not: a stranger holds the server's public key; rotate it (sallyport server-key rotate)."},
	event.UnknownDoor: {"a client asked for a door that does not exist",
		"Name an existing door: sallyport status lists them. Perhaps it has been renamed."},
	event.ForbiddenDoor: {"a client asked for a door that it may not open",
		"If it should, add the door to the doors of that client. If it should not, ask the person: the key may be in other hands."},
	event.ForbiddenFrom: {"a client knocked from an address that it may not knock from",
		"If the place is right, add it to from of that client. If it is not, ask the person: the key may be in other hands."},
	event.KeyExpired: {"the key of this client is past its date",
		"Give the client a later date (expires) or a new key, if it still should get in."},
	event.WrongAddress: {"the message names another address than the one it came from, or none where that is asked for",
		"Behind NAT the client does not see its public address: leave bound off there, or require_bound on the server. Otherwise someone has sent on a message of someone else."},
	event.StaleTime: {"the message is older, or newer, than clock_skew allows", clock},
	event.Replayed: {"a message came a second time from the same address, or one that is bound to its address from another",
		"Nothing, if it is rare: networks copy packets. If it goes on, someone near that address has recorded it; it does not work a second time."},
	event.Intercepted: {"a message that was used already came again from another address: someone on the way has read and sent it",
		"What it had opened was closed. Look from which network the client knocked, and change that; the key itself is not lost."},
	event.Roamed: {"a message of a browser came again from another address within seconds: the device has changed networks, or someone on the way has a copy",
		"What it had opened was closed; knock again. If the device has not been under way, do not trust the network that it knocked from."},
	event.BadSTUN: {"a STUN request came to the SPA port that is not one of a browser's with a message in it",
		"Nothing: browsers send such requests to many places, and strangers try them. Nothing was answered."},
	event.BadIntegrity: {"a message came in a STUN request that its sender has not made",
		"Nothing, if it is rare. If it goes on, someone on the way alters requests. Nothing was opened."},
	event.ForbiddenWay: {"a client sent a message in a way that it may not use: in STUN, or with a suite that is not in its list",
		"If it should, set stun or suites of that client. If it should not, ask the person: the key may be in other hands."},
	event.InviteEnded: {"a device showed an invite that was valid until before",
		"Make a new one: sallyport client invite NAME."},
	event.InviteUsed: {"a device showed an invite that another key has used before, or whose client has been removed",
		"If the device that is enrolled is not the one that the invite was made for, someone else has seen the link: remove that client and make a new invite."},
	event.Collision: {"a device showed an invite whose name, or its own key, is another client's by now, or whose door is gone",
		"Make a new invite with another name or other doors, or remove the client that is in its way (sallyport client list)."},
	event.BadProof: {"the signature does not fit the client that the message names",
		"If the client has a new key, put it into the configuration. Otherwise someone who knows the client's public key tries to pass for it."},
	event.NoRecord: {"the replay guard could not write down the message, so it opened nothing",
		"Look at the disk of state_dir: it is full or read-only."},
	event.NotOpened: {"everything was right, but the firewall did not take the grant",
		"Look at sallyport status and at the log: the kernel says why there."},
	event.NotFwknop: {"a datagram came to the port of fwknop's clients that is no packet of theirs",
		"If someone knocked from there: their fwknop must send by UDP, with Rijndael keys and an HMAC. Otherwise it is noise, and harmless."},
	event.NoFwknopKey: {"a packet came to the port of fwknop's clients that was made with none of the keys in the configuration",
		"If someone knocked from there: compare hmac and digest with HMAC_KEY and HMAC_DIGEST_TYPE of their .fwknoprc. Otherwise it is noise, and harmless."},
	event.BadFwknop: {"a packet has the right keyed hash, but cannot be read",
		"Compare key and mode with KEY and ENCRYPTION_MODE of that client's .fwknoprc."},
	event.FwknopTooMuch: {"a client of fwknop asked for a command or for address translation, which Sallyport never does",
		"Leave out -C and -N on that device. For what runs when a door opens there are hooks."},
	event.UsedStep: {"this rotating or one-time sequence has opened a door already",
		"Use the next one (a rotating one is there after half a minute). If nobody has used it before: someone listens on the way."},
	event.NotNext: {"this one-time sequence is on the list, but another one comes first",
		"Use the first one that is not crossed out. If that is lost or used up, make a new list."},
	event.OutOfHours: {"the door, or the client, is not to be used at this time",
		"Come back in the opening hours, or change hours in the configuration. Mind the time zone of the server."},
	event.TooMany: {"the client has as many grants as it may have at a time",
		"Wait until one ends, give one back (sallyport close PROFILE), or raise max_grants."},
	event.Revoked: {"the fleet has revoked this client, or has removed it",
		"If that was not meant, an operator lets it in again: sallyport fleet status names the gate that revoked it."},
	event.NoFleet: {"this gate does not know whether the fleet still lets the client in: etcd has been away for too long, or shows less than is known",
		"sallyport status says what is wrong with etcd. The gate's own clients and operators get in all the time."},
	event.LoginAccepted: {"someone logged in at the service behind the door", ""},
	event.LoginFailed: {"someone failed to log in at the service behind the door",
		"Nothing, if it was a mistyped password. The door does not decide about logins; the service behind it does."},
	event.Banned: {"this address is banned for a while",
		"It ends by itself. To end it now, or never to ban this address, see sallyport ban --help and trusted in the configuration."},
	event.AsksFull: {"so many ask to be let in that no more are shown",
		"Decide about those who wait: sallyport asks. Each is over after ten minutes."},
}
