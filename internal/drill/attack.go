//go:build linux

// Package drill attacks a gate like the administrator's own, in a lab, and
// grades what it does. Each attack says what must not happen and which finding
// must come, and within which time; the drill prints what was expected and what
// was seen.
//
// Every attack has a lab of its own, with the real daemon on its gate. What that
// daemon takes from the configuration is a list (see Fields): nothing that reaches
// others is on it, keys and rotating secrets are made for the drill, and no
// sequence is ever printed. The machine's network is not touched. Attacks that
// need days are simulated: the real detection judges them in a time of its own.
package drill

import (
	"context"
	"time"

	"sallyport/internal/consent"
	"sallyport/internal/lang"
)

// Attack is one entry of the catalogue.
type Attack struct {
	ID        string        `json:"id"`                  // never changes: documents and files of earlier runs name it
	Group     string        `json:"group"`               // see Groups
	Does      string        `json:"does"`                // one sentence, in English
	Not       string        `json:"not"`                 // what must not happen, or what is known to
	Rule      string        `json:"rule,omitempty"`      // the finding that must come; empty: none need
	Within    time.Duration `json:"-"`                   // of the end of the attack
	Technique string        `json:"technique,omitempty"` // of MITRE ATT&CK; empty: none
	Slow      bool          `json:"slow"`                // not with --quick
	Simulated bool          `json:"simulated"`           // judged by the detection alone, in simulated time
	Scaled    bool          `json:"scaled"`              // with thresholds that are lower than those of the configuration
	IPv6      bool          `json:"ipv6,omitempty"`      // the same over IPv6

	// needs says what the configuration lacks for this attack, or nothing.
	needs func(*plan) string
	alter func(*plan)
	run   func(context.Context, *ground) error

	// The same for an attack from elsewhere; see FromElsewhere.
	lacks func(consent.Token) string
	send  func(context.Context, *remote) error

	// simulate judges in simulated time, with a folder for files.
	simulate func(p *plan, dir string, r Result) (Result, error)
}

// Groups are the groups of attacks, in the order of the catalogue.
func Groups() []string {
	return []string{"scan", "guess", "overheard", "replay", "stolen", "forbidden", "deny", "host", "probe", "simulated"}
}

// Catalogue returns every attack.
func Catalogue() []Attack {
	var list []Attack
	for _, a := range []Attack{
		scanOrdered, scanShuffled, scanDatagrams, scanSpoofed, scanSlow, scanDistributed,
		guessBegun, guessBlind, nearMiss, wrongOrder,
		overheardStatic, overheardRotating, rotatingLate, overheardOneTime, oneTimeSkipped,
		replaySame, replayElsewhere, interception, heldBack, replayAfterRestart, replayAfterLoss,
		strangerKey, borrowedName, stolenKey, stolenProfile, removedClient,
		expiredClient, forbiddenDoor, forbiddenPlace, outOfHours, clockBehind, clockAhead,
		victimMarked, banForged, decoyTouched, floodMessages, floodOnePort, floodKnocks, natNeighbour,
		rulesetFlushed, daemonKilled, daemonFrozen, diskFull, interfaceGone, journalTampered,
		probeMessagePort, probeDoor, malformed,
	} {
		six := a
		six.ID, six.IPv6 = a.ID+"-6", true
		list = append(list, a, six)
	}
	list = append(list, clockSetBack, clockSetForward)
	return append(list, simulated()...)
}

// Described returns what an attack does and what must not happen, in a language.
func (a Attack) Described(l lang.Lang) (does, not string) { return described(l, a.Does, a.Not, a.IPv6) }

func described(l lang.Lang, does, not string, ipv6 bool) (string, string) {
	does = l.Say(does)
	if ipv6 {
		does = l.Sayf("%s, over IPv6", does)
	}
	return does, l.Say(not)
}
