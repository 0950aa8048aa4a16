package siem

import "sallyport/internal/event"

// Classes and activities of OCSF 1.4.0.
const (
	classDetection = 2004
	classLogon     = 3002
	classNetwork   = 4001
	classLifecycle = 6002
	classError     = 6008
)

type ocsfEvent struct {
	Activity    int            `json:"activity_id"`
	Other       event.Kind     `json:"activity_name,omitempty"` // what it is where the schema has no number for it
	Category    int            `json:"category_uid"`
	Class       int            `json:"class_uid"`
	Type        int            `json:"type_uid"`
	Severity    int            `json:"severity_id"`
	Status      int            `json:"status_id,omitempty"`
	Disposition int            `json:"disposition_id,omitempty"`
	Action      int            `json:"action_id,omitempty"`
	Alert       bool           `json:"is_alert,omitempty"`
	Time        int64          `json:"time"`
	Count       uint64         `json:"count,omitempty"`
	Message     string         `json:"message"`
	Metadata    ocsfMetadata   `json:"metadata"`
	Source      *ocsfEndpoint  `json:"src_endpoint,omitempty"`
	Destination *ocsfEndpoint  `json:"dst_endpoint,omitempty"`
	User        *ocsfUser      `json:"user,omitempty"`
	Actor       *ocsfActor     `json:"actor,omitempty"`
	Device      *ocsfDevice    `json:"device,omitempty"`
	App         *ocsfProduct   `json:"app,omitempty"`
	Finding     *ocsfFinding   `json:"finding_info,omitempty"`
	Evidence    []ocsfEvidence `json:"evidences,omitempty"`
	Remedy      *ocsfRemedy    `json:"remediation,omitempty"`
	Unmapped    own            `json:"unmapped"`
}

type ocsfMetadata struct {
	Version  string      `json:"version"`
	Profiles []string    `json:"profiles"`
	Product  ocsfProduct `json:"product"`
}

type ocsfProduct struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor_name"`
	Version string `json:"version,omitempty"`
}

type ocsfEndpoint struct {
	IP      string `json:"ip,omitempty"`
	Host    string `json:"hostname,omitempty"`
	Service string `json:"svc_name,omitempty"`
}

type ocsfActor struct {
	User ocsfUser `json:"user"`
}

type ocsfUser struct {
	Name string `json:"name"`
}

type ocsfDevice struct {
	Hostname string `json:"hostname"`
	Type     int    `json:"type_id"`
}

type ocsfFinding struct {
	ID    string `json:"uid"`
	Title string `json:"title,omitempty"`
	Text  string `json:"desc,omitempty"`
	First int64  `json:"first_seen_time,omitempty"`
	Last  int64  `json:"last_seen_time,omitempty"`
}

// ocsfEvidence says who and what a finding is about: the class has no other
// place for it.
type ocsfEvidence struct {
	Source      *ocsfEndpoint `json:"src_endpoint,omitempty"`
	Destination *ocsfEndpoint `json:"dst_endpoint,omitempty"`
	User        *ocsfUser     `json:"user,omitempty"`
	Data        []string      `json:"data,omitempty"`
}

type ocsfRemedy struct {
	Text string `json:"desc"`
}

func ocsf(p Product, e event.Event) ocsfEvent {
	us := ocsfProduct{Name: "Sallyport", Vendor: "Sallyport", Version: p.Version}
	o := ocsfEvent{
		Severity: 1, Time: milliseconds(e.Time), Message: message(e), Unmapped: ownOf(e), Count: e.Count.Packets,
		Metadata: ocsfMetadata{Version: "1.4.0", Profiles: []string{"host", "security_control"}, Product: us},
	}
	o.classify(e)
	o.Category, o.Type = o.Class/1000, o.Class*100+o.Activity
	if p.Host != "" {
		o.Device = &ocsfDevice{Hostname: p.Host, Type: 1} // a server
	}
	o.involve(p, e, us)
	return o
}

// involve says who has part in an event, where its class has a place for that.
func (o *ocsfEvent) involve(p Product, e event.Event, us ocsfProduct) {
	var source *ocsfEndpoint
	var user *ocsfUser
	if e.Source.IsValid() {
		source = &ocsfEndpoint{IP: address(e.Source)}
	}
	if e.Client != "" {
		user = &ocsfUser{e.Client}
	}
	here := &ocsfEndpoint{Host: p.Host, Service: e.Door}
	if *here == (ocsfEndpoint{}) {
		here.Service = "sallyport" // one end must be named
	}
	switch o.Class {
	case classNetwork:
		o.Source, o.Destination = source, here
		if user != nil {
			o.Actor = &ocsfActor{*user}
		}
	case classLogon:
		o.Source, o.Destination, o.User = source, here, user
		if user == nil {
			o.User = &ocsfUser{"unknown"} // the class asks for one
		}
	case classDetection:
		v := ocsfEvidence{Source: source, Destination: here, User: user}
		if e.Finding != nil {
			v.Data = e.Finding.Evidence
		}
		o.Evidence = []ocsfEvidence{v}
	default:
		o.Unmapped.Source, o.Unmapped.Client = address(e.Source), e.Client
		if o.Class == classLifecycle {
			o.App = &us
		}
	}
}

// classify chooses class, activity and severity.
func (o *ocsfEvent) classify(e event.Event) {
	const (
		open, close               = 1, 2 // of network activity
		refuse, traffic           = 5, 6
		logon                     = 1
		start, stop, update       = 3, 4, 8 // of a lifecycle
		allowed, blocked          = 1, 2    // dispositions
		actionAllowed, actionDeny = 1, 2
		success, failure, other   = 1, 2, 99
	)
	switch e.Kind {
	case event.KindGrant:
		o.Class, o.Activity, o.Disposition, o.Action, o.Status = classNetwork, open, allowed, actionAllowed, success
	case event.KindBan:
		o.Class, o.Activity, o.Disposition, o.Action, o.Status = classNetwork, refuse, blocked, actionDeny, failure
		if e.Ended {
			o.Activity, o.Disposition, o.Action, o.Status = close, 0, 0, success
		}
	case event.KindExpiry, event.KindRevocation:
		o.Class, o.Activity, o.Status = classNetwork, close, success
	case event.KindRefusal:
		o.Class, o.Activity, o.Disposition, o.Action, o.Status = classNetwork, refuse, blocked, actionDeny, failure
	case event.KindUse:
		o.Class, o.Activity = classNetwork, choose(e.Ended, close, open)
	case event.KindContacts:
		o.Class, o.Activity = classNetwork, traffic
	case event.KindLogin:
		o.Class, o.Activity, o.Status = classLogon, logon, choose(e.Reason == event.LoginAccepted || e.Authenticated, success, failure)
	case event.KindStart:
		o.Class, o.Activity, o.Status = classLifecycle, start, success
	case event.KindStop:
		o.Class, o.Activity, o.Status = classLifecycle, stop, success
	case event.KindReload, event.KindKey, event.KindEnrolment, event.KindRepair:
		o.Class, o.Activity, o.Status = classLifecycle, update, success
	case event.KindAck, event.KindDrill, event.KindAsked, event.KindAllowed, event.KindDeclined:
		o.Class, o.Activity, o.Status = classLifecycle, other, success
	case event.KindFailure, event.KindOverload, event.KindClock:
		o.Class, o.Activity, o.Severity, o.Status = classError, 1, 3, failure
	case event.KindFinding:
		o.detect(e)
	default:
		o.Class, o.Activity = classLifecycle, other
	}
	if o.Activity == other {
		o.Other = e.Kind
	}
}

func choose(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

// severities of both schemas, in the order of ours.
var severities = map[event.Severity]int{event.Info: 1, event.Low: 2, event.Medium: 3, event.High: 4, event.Critical: 5}

func (o *ocsfEvent) detect(e event.Event) {
	const create, update = 1, 2
	o.Class, o.Activity, o.Alert = classDetection, create, true
	f := e.Finding
	if f == nil {
		o.Finding = &ocsfFinding{ID: "unknown"} // the class asks for one
		return
	}
	if f.Count > 1 {
		o.Activity = update
	}
	o.Severity, o.Count = severities[f.Severity], f.Count
	o.Finding = &ocsfFinding{ID: f.ID, Title: f.Rule, Text: f.Explanation, First: milliseconds(f.First), Last: milliseconds(f.Last)}
	if f.Advice != "" {
		o.Remedy = &ocsfRemedy{f.Advice}
	}
}
