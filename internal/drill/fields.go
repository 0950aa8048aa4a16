//go:build linux

package drill

// Treatment says what a drill does with a field of the configuration.
type Treatment string

// The treatments.
const (
	Taken    Treatment = "taken"
	Replaced Treatment = "replaced"
	LeftOut  Treatment = "left out"
)

// Field is one field of the configuration, and what a drill does with it.
type Field struct {
	Path string // as in config.Config
	How  Treatment
	Why  string
}

const (
	reaches   = "it reaches others"
	listens   = "nothing but the gate listens in a drill"
	decides   = "it decides who gets in"
	judged    = "the findings are graded by it"
	forPeople = "nothing is decided by it"
	ownPlace  = "a drill has files of its own"
	fresh     = "secrets are made for the drill"
	lifted    = "lifted, but in the attack on them"
	absent    = "the lab has no such thing"
)

// Fields lists every field of config.Config. What is not in it is not taken.
func Fields() []Field {
	return []Field{
		{"Path", Replaced, ownPlace},
		{"Daemon.StateDir", Replaced, ownPlace},
		{"Daemon.Socket", Replaced, ownPlace},
		{"Gate.Name", Taken, "it goes into rotating sequences"},
		{"Gate.Policy", Taken, decides},
		{"Gate.Public", Taken, decides},
		{"Gate.Closed", Taken, "it is what strangers see"},
		{"Gate.Interfaces", LeftOut, "the lab has other interfaces: all are gated"},
		{"Gate.Trusted", Taken, decides + "; but for what overlaps the addresses of the lab"},
		{"Gate.Timezone", Replaced, "UTC, in which the attack on hours reckons"},
		{"Gate.RotationDue", LeftOut, "secrets of a drill are new"},
		{"SPA.Port", Taken, decides},
		{"SPA.ClockSkew", Taken, decides},
		{"SPA.Ack", Taken, "strangers might see an answer"},
		{"SPA.ServerKey", Replaced, fresh},
		{"SPA.AuthorizedKeys", Replaced, "its clients are taken as the others are"},
		{"SPA.RequireBound", Taken, decides},
		{"SPA.STUN", Taken, decides},
		{"SPA.FwknopPort", LeftOut, "fwknop's keys are not copied"},
		{"SPA.FwknopOtherSource", LeftOut, "fwknop's keys are not copied"},
		{"Rotating.Shape.Knocks", Taken, decides},
		{"Rotating.Shape.First", Taken, decides},
		{"Rotating.Shape.Last", Taken, decides},
		{"Rotating.Shape.Protos", Taken, decides},
		{"Rotating.Within", Taken, decides},
		{"Journal.Path", Replaced, ownPlace},
		{"Journal.Keep", LeftOut, "a drill is over before"},
		{"Journal.MaxSize", LeftOut, "a drill is over before"},
		{"Journal.Chain", Taken, "it shows what was changed"},
		{"Metrics.Listen", LeftOut, listens},
		{"API.Listen", LeftOut, listens},
		{"API.TokenFile", LeftOut, listens},
		{"API.TLSCert", LeftOut, listens},
		{"API.TLSKey", LeftOut, listens},
		{"Detect.Enabled", Taken, judged},
		{"Detect.ScanPorts", Taken, judged},
		{"Detect.ScanWindow", Taken, judged},
		{"Detect.SlowPorts", Taken, judged},
		{"Detect.SlowWindow", Taken, judged},
		{"Detect.ScanSources", Taken, judged},
		{"Detect.Guesses", Taken, judged},
		{"Detect.GuessSources", Taken, judged},
		{"Detect.NearMisses", Taken, judged},
		{"Detect.Replays", Taken, judged},
		{"Detect.Forbidden", Taken, judged},
		{"Detect.TwoPlaces", Taken, judged},
		{"Detect.Unused", Taken, judged},
		{"Detect.FailedLogins", Taken, judged},
		{"Detect.Flood", Taken, judged},
		{"Detect.SSHLog", LeftOut, "nobody logs in during a drill"},
		{"Detect.GeoIP", LeftOut, "the addresses of the lab are in no country"},
		{"Ban.Enabled", Taken, decides},
		{"Ban.For", Taken, decides},
		{"Ban.Tries", Taken, decides},
		{"Ban.Decoys", Taken, decides},
		{"Moat.Mode", Replaced, "off: it drops only what the daemon refuses anyway"},
		{"Moat.Interfaces", LeftOut, absent},
		{"Doors[].Name", Taken, decides},
		{"Doors[].Label", LeftOut, forPeople},
		{"Doors[].Ports", Taken, decides},
		{"Doors[].OpenFor", Taken, decides},
		{"Doors[].Single", Taken, decides},
		{"Doors[].Sequence", Taken, decides + "; it is never printed"},
		{"Doors[].Within", Taken, decides},
		{"Doors[].To", LeftOut, "the lab has nothing behind the gate"},
		{"Doors[].Hours", Replaced, lifted},
		{"Doors[].Widen4", Taken, decides},
		{"Doors[].Widen6", Taken, decides},
		{"Doors[].Previous", Taken, decides + "; it is never printed"},
		{"Doors[].PreviousUntil", Taken, decides},
		{"Doors[].Changed", LeftOut, "it matters to rotation_due alone"},
		{"Doors[].SequencesFile", Replaced, ownPlace},
		{"Doors[].OneTime", Replaced, "using up the real ones would lock people out"},
		{"Doors[].Place", LeftOut, forPeople},
		{"Groups[].Name", Taken, decides},
		{"Groups[].Doors", Taken, decides},
		{"Groups[].Sequence", Taken, decides + "; it is never printed"},
		{"Groups[].Within", Taken, decides},
		{"Groups[].Place", LeftOut, forPeople},
		{"Clients[].Name", Taken, decides + "; of the first 64 clients"},
		{"Clients[].Label", LeftOut, forPeople},
		{"Clients[].Doors", Taken, decides},
		{"Clients[].Groups", Taken, decides},
		{"Clients[].Key", Replaced, fresh},
		{"Clients[].Rotating.Current", Replaced, fresh},
		{"Clients[].Rotating.Previous", LeftOut, fresh},
		{"Clients[].Rotating.PreviousUntil", LeftOut, fresh},
		{"Clients[].STUN", Taken, decides},
		{"Clients[].Suites", Taken, decides},
		{"Clients[].Fwknop", LeftOut, "fwknop's keys are not copied"},
		{"Clients[].Changed", LeftOut, "it matters to rotation_due alone"},
		{"Clients[].From", Taken, decides},
		{"Clients[].Expires", Taken, decides},
		{"Clients[].MaxOpen", Taken, decides},
		{"Clients[].Single", Taken, decides},
		{"Clients[].Hours", Replaced, lifted},
		{"Clients[].Most", Taken, decides},
		{"Clients[].Place", LeftOut, forPeople},
		{"Hooks", LeftOut, reaches},
		{"Webhooks", LeftOut, reaches},
	}
}
