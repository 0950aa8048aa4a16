package siem

import (
	"time"

	"sallyport/internal/event"
)

type ecsEvent struct {
	Time     time.Time  `json:"@timestamp"`
	Message  string     `json:"message"`
	ECS      ecsVersion `json:"ecs"`
	Event    ecsInner   `json:"event"`
	Source   *ecsSource `json:"source,omitempty"`
	User     *ecsUser   `json:"user,omitempty"`
	Rule     *ecsRule   `json:"rule,omitempty"`
	Host     *ecsHost   `json:"host,omitempty"`
	Observer ecsProduct `json:"observer"`
	Own      own        `json:"sallyport"`
}

type ecsVersion struct {
	Version string `json:"version"`
}

type ecsInner struct {
	Kind     string     `json:"kind"`
	Category []string   `json:"category"`
	Type     []string   `json:"type"`
	Action   string     `json:"action"`
	Outcome  string     `json:"outcome,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Severity int        `json:"severity,omitempty"`
	ID       string     `json:"id,omitempty"`
	Start    *time.Time `json:"start,omitempty"`
	End      *time.Time `json:"end,omitempty"`
	Dataset  string     `json:"dataset"`
}

type ecsSource struct {
	IP string `json:"ip"`
}

type ecsUser struct {
	Name string `json:"name"`
}

type ecsRule struct {
	Name string `json:"name"`
	Text string `json:"description"`
}

type ecsHost struct {
	Name string `json:"name"`
}

type ecsProduct struct {
	Product string `json:"product"`
	Type    string `json:"type"`
	Version string `json:"version,omitempty"`
}

func ecs(p Product, e event.Event) ecsEvent {
	o := ecsEvent{
		Time: e.Time.UTC(), Message: message(e), ECS: ecsVersion{"8.17.0"}, Own: ownOf(e),
		Event:    ecsInner{Kind: "event", Action: string(e.Kind), Reason: string(e.Reason), Dataset: "sallyport.events"},
		Observer: ecsProduct{Product: "Sallyport", Type: "firewall", Version: p.Version},
	}
	o.classify(e)
	if e.Source.IsValid() {
		o.Source = &ecsSource{address(e.Source)}
	}
	if e.Client != "" {
		o.User = &ecsUser{e.Client}
	}
	if p.Host != "" {
		o.Host = &ecsHost{p.Host}
	}
	return o
}

func (o *ecsEvent) classify(e event.Event) {
	set := func(category, kind, outcome string) {
		o.Event.Category, o.Event.Type, o.Event.Outcome = []string{category}, []string{kind}, outcome
	}
	switch e.Kind {
	case event.KindGrant:
		set("network", "allowed", "success")
		o.Event.Type = append(o.Event.Type, "start")
	case event.KindRefusal, event.KindBan:
		set("network", "denied", "failure")
		if e.Kind == event.KindBan && e.Ended {
			set("network", "end", "success")
		}
	case event.KindExpiry, event.KindRevocation:
		set("network", "end", "success")
	case event.KindUse, event.KindContacts:
		set("network", "info", "")
	case event.KindLogin:
		set("authentication", "start", "success")
		if e.Reason == event.LoginFailed || e.Reason == event.ByOperator && !e.Authenticated {
			o.Event.Outcome = "failure"
		}
	case event.KindStart:
		set("process", "start", "success")
	case event.KindStop:
		set("process", "end", "success")
	case event.KindReload, event.KindKey, event.KindEnrolment, event.KindRepair:
		set("configuration", "change", "success")
	case event.KindAck, event.KindDrill, event.KindAsked, event.KindAllowed, event.KindDeclined:
		set("process", "info", "success")
	case event.KindFinding:
		set("intrusion_detection", "info", "")
		o.detect(e)
	default:
		set("process", "info", "failure") // its category knows no "error"
	}
}

func (o *ecsEvent) detect(e event.Event) {
	o.Event.Kind = "alert"
	f := e.Finding
	if f == nil {
		return
	}
	o.Event.ID, o.Event.Severity = f.ID, severities[f.Severity]
	o.Event.Start, o.Event.End = &f.First, &f.Last
	o.Rule = &ecsRule{Name: f.Rule, Text: f.Explanation}
	o.Own.Count = f.Count
}
