//go:build linux

package drill

import "sallyport/internal/lang"

// Treatment says what a drill does with a field of the configuration.
type Treatment string

// The treatments.
const (
	Taken    Treatment = "taken"
	Replaced Treatment = "replaced"
	LeftOut  Treatment = "left out"
)

// In names a treatment in a language.
func (t Treatment) In(l lang.Lang) string {
	switch t {
	case Taken:
		return l.Say("taken")
	case Replaced:
		return l.Say("replaced")
	}
	return l.Say("left out")
}

// Field is one field of the configuration, and what a drill does with it.
type Field struct {
	Path string // as in config.Config
	How  Treatment
	Why  string
}

const (
	sayReaches         = "it reaches others"
	sayListens         = "nothing but the gate listens in a drill"
	sayNoUsers         = "nobody but the drill asks its daemon"
	sayDecides         = "it decides who gets in"
	sayJudged          = "the findings are graded by it"
	sayForPeople       = "nothing is decided by it"
	sayOwnPlace        = "a drill has files of its own"
	sayFresh           = "secrets are made for the drill"
	sayLifted          = "lifted, but in the attack on them"
	sayGoesInto        = "it goes into rotating sequences"
	saySeen            = "it is what strangers see"
	sayOtherInterfaces = "the lab has other interfaces: all are gated"
	sayDecidesOverlap  = "it decides who gets in; but for what overlaps the addresses of the lab"
	sayUTC             = "UTC, in which the attack on hours reckons"
	sayNewSecrets      = "secrets of a drill are new"
	sayAnswerSeen      = "strangers might see an answer"
	sayOtherClients    = "its clients are taken as the others are"
	sayFwknopKeys      = "fwknop's keys are not copied"
	sayOverBefore      = "a drill is over before"
	sayShowsChange     = "it shows what was changed"
	sayNoLogins        = "nobody logs in during a drill"
	sayNoCountry       = "the addresses of the lab are in no country"
	sayMoatOff         = "off: it drops only what the daemon refuses anyway"
	sayDecidesSecret   = "it decides who gets in; it is never printed"
	sayNothingBehind   = "the lab has nothing behind the gate"
	sayRotationDue     = "it matters to rotation_due alone"
	sayUsedUp          = "using up the real ones would lock people out"
	sayDecidesFirst    = "it decides who gets in; of the first 64 clients"
	sayAbsent          = "the lab has no such thing"
	sayNoFleet         = "the gate of a lab stands alone"
)

// Fields lists every field of config.Config. What is not in it is not taken.
func Fields() []Field {
	return []Field{
		{"Path", Replaced, sayOwnPlace},
		{"Daemon.StateDir", Replaced, sayOwnPlace},
		{"Daemon.Socket", Replaced, sayOwnPlace},
		{"Gate.Name", Taken, sayGoesInto},
		{"Gate.Policy", Taken, sayDecides},
		{"Gate.Public", Taken, sayDecides},
		{"Gate.Closed", Taken, saySeen},
		{"Gate.Interfaces", LeftOut, sayOtherInterfaces},
		{"Gate.Trusted", Taken, sayDecidesOverlap},
		{"Gate.Timezone", Replaced, sayUTC},
		{"Gate.RotationDue", LeftOut, sayNewSecrets},
		{"SPA.Port", Taken, sayDecides},
		{"SPA.ClockSkew", Taken, sayDecides},
		{"SPA.Ack", Taken, sayAnswerSeen},
		{"SPA.ServerKey", Replaced, sayFresh},
		{"SPA.AuthorizedKeys", Replaced, sayOtherClients},
		{"SPA.RequireBound", Taken, sayDecides},
		{"SPA.STUN", Taken, sayDecides},
		{"SPA.FwknopPort", LeftOut, sayFwknopKeys},
		{"SPA.FwknopOtherSource", LeftOut, sayFwknopKeys},
		{"Rotating.Shape.Knocks", Taken, sayDecides},
		{"Rotating.Shape.First", Taken, sayDecides},
		{"Rotating.Shape.Last", Taken, sayDecides},
		{"Rotating.Shape.Protos", Taken, sayDecides},
		{"Rotating.Within", Taken, sayDecides},
		{"Journal.Path", Replaced, sayOwnPlace},
		{"Journal.Keep", LeftOut, sayOverBefore},
		{"Journal.MaxSize", LeftOut, sayOverBefore},
		{"Journal.Chain", Taken, sayShowsChange},
		{"Metrics.Listen", LeftOut, sayListens},
		{"API.View", LeftOut, sayNoUsers},
		{"API.Act", LeftOut, sayNoUsers},
		{"API.Admin", LeftOut, sayNoUsers},
		{"API.Ask", LeftOut, sayNoUsers},
		{"API.Listen", LeftOut, sayListens},
		{"API.TokenFile", LeftOut, sayListens},
		{"API.ViewToken", LeftOut, sayListens},
		{"API.ActToken", LeftOut, sayListens},
		{"API.ListToken", LeftOut, sayListens},
		{"API.AskToken", LeftOut, sayListens},
		{"API.CAEP", LeftOut, sayListens},
		{"API.TLSCert", LeftOut, sayListens},
		{"API.TLSKey", LeftOut, sayListens},
		{"Detect.Enabled", Taken, sayJudged},
		{"Detect.ScanPorts", Taken, sayJudged},
		{"Detect.ScanWindow", Taken, sayJudged},
		{"Detect.SlowPorts", Taken, sayJudged},
		{"Detect.SlowWindow", Taken, sayJudged},
		{"Detect.ScanSources", Taken, sayJudged},
		{"Detect.Guesses", Taken, sayJudged},
		{"Detect.GuessSources", Taken, sayJudged},
		{"Detect.NearMisses", Taken, sayJudged},
		{"Detect.Replays", Taken, sayJudged},
		{"Detect.Forbidden", Taken, sayJudged},
		{"Detect.TwoPlaces", Taken, sayJudged},
		{"Detect.Unused", Taken, sayJudged},
		{"Detect.FailedLogins", Taken, sayJudged},
		{"Detect.Flood", Taken, sayJudged},
		{"Detect.SSHLog", LeftOut, sayNoLogins},
		{"Detect.GeoIP", LeftOut, sayNoCountry},
		{"Ban.Enabled", Taken, sayDecides},
		{"Ban.For", Taken, sayDecides},
		{"Ban.Tries", Taken, sayDecides},
		{"Ban.Decoys", Taken, sayDecides},
		{"Moat.Mode", Replaced, sayMoatOff},
		{"Moat.Interfaces", LeftOut, sayAbsent},
		{"Fleet", LeftOut, sayNoFleet},
		{"Doors[].Name", Taken, sayDecides},
		{"Doors[].Label", LeftOut, sayForPeople},
		{"Doors[].Ports", Taken, sayDecides},
		{"Doors[].OpenFor", Taken, sayDecides},
		{"Doors[].Single", Taken, sayDecides},
		{"Doors[].Sequence", Taken, sayDecidesSecret},
		{"Doors[].Within", Taken, sayDecides},
		{"Doors[].To", LeftOut, sayNothingBehind},
		{"Doors[].Hours", Replaced, sayLifted},
		{"Doors[].Widen4", Taken, sayDecides},
		{"Doors[].Widen6", Taken, sayDecides},
		{"Doors[].Polled", LeftOut, sayListens},
		{"Doors[].WithoutFleet", LeftOut, sayNoFleet},
		{"Doors[].Shared", LeftOut, sayNoFleet},
		{"Doors[].SharedUnbound", LeftOut, sayNoFleet},
		{"Doors[].Previous", Taken, sayDecidesSecret},
		{"Doors[].PreviousUntil", Taken, sayDecides},
		{"Doors[].Changed", LeftOut, sayRotationDue},
		{"Doors[].SequencesFile", Replaced, sayOwnPlace},
		{"Doors[].OneTime", Replaced, sayUsedUp},
		{"Doors[].Place", LeftOut, sayForPeople},
		{"Groups[].Name", Taken, sayDecides},
		{"Groups[].Doors", Taken, sayDecides},
		{"Groups[].Sequence", Taken, sayDecidesSecret},
		{"Groups[].Within", Taken, sayDecides},
		{"Groups[].Place", LeftOut, sayForPeople},
		{"Clients[].Name", Taken, sayDecidesFirst},
		{"Clients[].Label", LeftOut, sayForPeople},
		{"Clients[].Doors", Taken, sayDecides},
		{"Clients[].Groups", Taken, sayDecides},
		{"Clients[].Key", Replaced, sayFresh},
		{"Clients[].Rotating.Current", Replaced, sayFresh},
		{"Clients[].Rotating.Previous", LeftOut, sayFresh},
		{"Clients[].Rotating.PreviousUntil", LeftOut, sayFresh},
		{"Clients[].STUN", Taken, sayDecides},
		{"Clients[].Suites", Taken, sayDecides},
		{"Clients[].CAEP", LeftOut, sayListens},
		{"Clients[].Fwknop", LeftOut, sayFwknopKeys},
		{"Clients[].Changed", LeftOut, sayRotationDue},
		{"Clients[].From", Taken, sayDecides},
		{"Clients[].Expires", Taken, sayDecides},
		{"Clients[].MaxOpen", Taken, sayDecides},
		{"Clients[].Single", Taken, sayDecides},
		{"Clients[].Hours", Replaced, sayLifted},
		{"Clients[].Most", Taken, sayDecides},
		{"Clients[].Place", LeftOut, sayForPeople},
		{"Hooks", LeftOut, sayReaches},
		{"Webhooks", LeftOut, sayReaches},
	}
}
