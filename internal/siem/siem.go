// Package siem writes events and findings in the forms that security
// monitoring expects: one JSON object for each, in the Open Cybersecurity Schema
// Framework (OCSF) or the Elastic Common Schema (ECS). It is pure.
//
// A finding becomes OCSF's Detection Finding; a grant, a refusal or the end of
// a grant becomes Network Activity, with what was decided as its disposition;
// everything else is about the program itself. What has no place in a schema is
// in "unmapped" (OCSF) or "sallyport" (ECS), under our own words.
package siem

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/inert"
)

// Format is a schema.
type Format string

// The formats.
const (
	JSON Format = "json" // ours: gate.Event
	OCSF Format = "ocsf" // version 1.4.0, https://schema.ocsf.io
	ECS  Format = "ecs"  // version 8.17, https://www.elastic.co/docs/reference/ecs
)

// Formats are all of them.
var Formats = []Format{JSON, OCSF, ECS}

// Product says who tells.
type Product struct {
	Version string // of Sallyport
	Host    string // the name of the host, "" if unknown
}

// Append writes an event, without a line end, to the end of b.
func Append(b []byte, f Format, p Product, e event.Event) ([]byte, error) {
	var value any = e
	switch f {
	case JSON:
	case OCSF:
		value = ocsf(p, e)
	case ECS:
		value = ecs(p, e)
	default:
		return b, fmt.Errorf("unknown format %q", f)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return b, fmt.Errorf("write an event as %s: %w", f, err)
	}
	return append(b, inert.JSON(text)...), nil
}

// message says in a line what has happened.
func message(e event.Event) string {
	if e.Finding != nil {
		return e.Finding.Explanation
	}
	text := string(e.Kind)
	add := func(before, value string) {
		if value != "" {
			text += before + value
		}
	}
	add(" of door ", e.Door)
	add(" for client ", e.Client)
	if e.Source.IsValid() {
		add(" from ", e.Source.String())
	}
	add(": ", string(e.Reason))
	add(": ", e.Detail)
	return text
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// own is what only we have words for.
type own struct {
	Kind   event.Kind   `json:"kind"`
	Door   string       `json:"door,omitempty"`
	Reason event.Reason `json:"reason,omitempty"`
	Count  uint64       `json:"count,omitempty"` // of refusals that are summed up
	Advice string       `json:"advice,omitempty"`
	Source string       `json:"source,omitempty"` // where the schema has no place for it
	Client string       `json:"client,omitempty"` // likewise

	Authenticated bool `json:"authenticated,omitempty"`
	Bound         bool `json:"bound,omitempty"` // only then the source is true
}

func ownOf(e event.Event) own {
	o := own{Kind: e.Kind, Door: e.Door, Reason: e.Reason, Count: e.Count.Packets, Authenticated: e.Authenticated, Bound: e.Bound}
	if e.Finding != nil {
		o.Advice = e.Finding.Advice
	}
	return o
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
