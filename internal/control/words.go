// Package control is how the running daemon is asked and told: HTTP with JSON
// on a unix socket. Who may open the socket (its group, mode 0660) may open
// doors; there is no other authentication.
//
//	GET  /status   what is guarded, granted and refused: Status
//	POST /open     give a grant: OpenRequest, answered by a gate.Grant
//	POST /revoke   end grants: RevokeRequest, answered by RevokeAnswer
//	POST /reload   read the configuration again, or tell what would change: ReloadRequest, answered by ReloadAnswer
//	POST /confirm  keep the configuration that is on trial
//	POST /down     open everything: remove the firewall table and end the daemon: DownRequest
//	GET  /bans     who is banned: a list of gate.Ban
//	POST /ban      keep a source out: BanRequest, answered by a gate.Ban
//	POST /unban    end a ban: UnbanRequest
//	POST /ack      mark a finding as seen: AckRequest, answered by the finding
//	POST /exercise raise a finding that is none: ExerciseRequest, answered by ExerciseAnswer
//	POST /invite   let a device enrol itself: InviteRequest, answered by InviteAnswer
//	POST /remove   remove who has, or take an invite back: RemoveRequest, answered by RemoveAnswer
//	POST /label    write beside such a client who it is: LabelRequest, answered by RemoveAnswer
//
// Requests are strict: an unknown field is an error, and so is a body of more
// than 64 KiB. A failure is answered with a status of 400, 404, 405 or 413 (the
// request makes no sense), 409 (it cannot be done) or 500, and {"error": "…",
// "hint": "…"}. Whatever is asked by POST and makes sense is logged with the user and
// the process that asked, and is carried out even if they hang up.
//
// ListenAPI is for other systems: over TCP, with a token, and POST /revoke only.
package control

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/event"
)

// Status is what the daemon knows about itself. It holds no secret.
type Status struct {
	Version    string                  `json:"version"`
	Config     string                  `json:"config"` // path of the main configuration file
	Started    time.Time               `json:"started"`
	Policy     string                  `json:"policy"`
	Closed     string                  `json:"closed"`
	Doors      []Door                  `json:"doors"`
	Grants     []event.Grant           `json:"grants"`
	Labels     map[string]string       `json:"client_labels,omitempty"` // of clients that have grants
	Refusals   map[event.Reason]uint64 `json:"refusals"`                // since the start
	Dropped    uint64                  `json:"dropped"`                 // packets to closed ports, since the table was installed
	Elsewhere  uint64                  `json:"elsewhere"`               // packets that might be knocks, but not at an address of this host
	Copies     uint64                  `json:"copies"`                  // repetitions of messages in STUN
	Goroutines int                     `json:"goroutines"`              // of the daemon: a number that grows and grows is a bug
	Capture    map[string]Ring         `json:"capture"`
	Moat       Moat                    `json:"moat"`
	Fwknop     []FwknopUse             `json:"fwknop,omitempty"`
	Problems   []string                `json:"problems"` // what an administrator should look at
}

// FwknopUse is how often a client got in with fwknop since the start.
type FwknopUse struct {
	Client string    `json:"client"`
	Grants uint64    `json:"grants"`
	Last   time.Time `json:"last,omitzero"`
}

// Moat is the filter in the kernel that drops junk sent to the SPA port.
type Moat struct {
	Mode       string                  `json:"mode"` // as configured: "auto", "native", "generic" or "off"
	Problem    string                  `json:"problem,omitempty"`
	Interfaces []MoatInterface         `json:"interfaces"`
	Dropped    map[event.Reason]uint64 `json:"dropped,omitempty"`
	Passed     map[string]uint64       `json:"passed,omitempty"`  // "tagged"; "sampled": although the tag is wrong; "unchecked": there was no key
	Contacts   bool                    `json:"contacts"`          // who touches closed ports is counted in the kernel
	Sampled    int                     `json:"sampled,omitempty"` // where the daemon counts, it looks at one packet in so many
}

// MoatInterface is one interface that the moat guards, or would.
type MoatInterface struct {
	Name   string `json:"name"`
	Mode   string `json:"mode"`             // "native", "generic" or "off"
	Reason string `json:"reason,omitempty"` // why it is not native
	Pinned bool   `json:"pinned"`           // it outlives the daemon
}

// Door is one door and its use.
type Door struct {
	Name    string   `json:"name"`
	Label   string   `json:"label,omitempty"`
	Ports   []string `json:"ports"`
	OpenFor string   `json:"open_for"`
	Single  bool     `json:"single,omitempty"`
	Grants  int      `json:"grants"`  // in force now
	Dropped uint64   `json:"dropped"` // packets refused at its ports
}

// Ring counts what one capture ring has seen since the start.
type Ring struct {
	Received uint64 `json:"received"`
	Lost     uint64 `json:"lost"`           // the ring was full
	Late     uint64 `json:"late,omitempty"` // knocks that were looked at too late to count
}

// OpenRequest asks for a grant.
type OpenRequest struct {
	Door   string     `json:"door"`
	Source netip.Addr `json:"source"`
	For    Duration   `json:"for,omitzero"` // zero: the door's open_for
}

// RevokeRequest asks to end the grants that fit all given fields. At least
// one of Door, Source, Client or All must be given.
type RevokeRequest struct {
	Door   string     `json:"door,omitempty"`
	Source netip.Addr `json:"source,omitzero"`
	Client string     `json:"client,omitempty"`
	All    bool       `json:"all,omitempty"`
	Cut    bool       `json:"cut,omitempty"` // end established connections too
}

// RevokeAnswer reports what was ended.
type RevokeAnswer struct {
	Grants   []event.Grant `json:"grants"`
	Cut      int           `json:"cut"`                 // connections
	BySource int           `json:"by_source,omitempty"` // of them those whose owner is not known: they came from a source whose grant was ended
	Others   []string      `json:"others,omitempty"`    // whose they were too
}

// BanRequest asks to keep a source out.
type BanRequest struct {
	Source netip.Addr `json:"source"`
	For    Duration   `json:"for,omitzero"` // zero: as the configuration says
}

// UnbanRequest asks to end a ban.
type UnbanRequest struct {
	Source netip.Addr `json:"source"`
}

// AckRequest marks a finding as seen.
type AckRequest struct {
	ID string `json:"id"`
}

// ExerciseRequest asks for a finding that is none, to see who hears of it.
type ExerciseRequest struct {
	Severity event.Severity `json:"severity"`
}

// ExerciseAnswer names the finding, and how many places of each kind hear of it
// beside the log and the journal.
type ExerciseAnswer struct {
	Finding  event.Finding `json:"finding"`
	Webhooks int           `json:"webhooks"`
	Hooks    int           `json:"hooks"`
	Spared   int           `json:"spared"` // hooks for findings that are not run, for lack of exercise = true
}

// Duration is a time.Duration written like "30s".
type Duration time.Duration

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the form of time.ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// DownRequest asks to remove the table and to end the daemon.
type DownRequest struct {
	Forget bool `json:"forget,omitempty"` // what was in force, too: a later start with a broken configuration closes nothing
}

// Handler does what is asked for. Its methods may be called at the same time.
// Their context ends when the server stops, not when the asker hangs up; Asker
// reads from it who that is.
type Handler interface {
	Status(context.Context) (Status, error)
	Open(context.Context, OpenRequest) (event.Grant, error)
	Revoke(context.Context, RevokeRequest) (RevokeAnswer, error)
	Reload(context.Context, ReloadRequest) (ReloadAnswer, error)
	Confirm(context.Context) error
	Down(context.Context, DownRequest) (struct{}, error)
	Bans(context.Context) ([]event.Ban, error)
	Ban(context.Context, BanRequest) (event.Ban, error)
	Unban(context.Context, UnbanRequest) (struct{}, error)
	Acknowledge(context.Context, AckRequest) (event.Finding, error)
	Exercise(context.Context, ExerciseRequest) (ExerciseAnswer, error)
	Invite(context.Context, InviteRequest) (InviteAnswer, error)
	Remove(context.Context, RemoveRequest) (RemoveAnswer, error)
	Label(context.Context, LabelRequest) (RemoveAnswer, error)
}

// Error is a failure with a remedy. Wrong says that the request makes no
// sense, rather than that it could not be carried out.
type Error struct {
	Text   string
	Remedy string
	Wrong  bool
}

// Error returns what went wrong.
func (e *Error) Error() string { return e.Text }

// Hint returns the remedy, or nothing.
func (e *Error) Hint() string { return e.Remedy }

// Wrong is the error about a request that makes no sense.
func Wrong(remedy, format string, args ...any) error {
	return &Error{Text: fmt.Sprintf(format, args...), Remedy: remedy, Wrong: true}
}
