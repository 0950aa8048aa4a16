// Package control is how the running daemon is asked, and how it answers: HTTP with
// JSON on a unix socket, and over TCP for other systems. The list of verbs is in
// verbs.go, and docs/openapi.yaml is made of it.
//
// Each verb needs one of the Rights. On the socket, root and those who may open it by its
// mode (0660) have them all; users who are named in the configuration have what it
// gives them, and the kernel says who they are. Over TCP a token says what may be done.
// There is no other authentication.
//
// Requests are strict: an unknown field is an error, and so is a body of more
// than 64 KiB. A failure is answered with a status of 400, 404, 405 or 413 (the
// request makes no sense), 401 or 403 (it is not allowed), 409 (it cannot be done) or
// 500, and {"error": "…", "hint": "…"}. Whatever is asked by POST and makes sense is
// logged with the user and the process that asked, and is carried out even if they hang
// up.
package control

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/report"
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
	Copies     uint64                  `json:"copies"`                  // repetitions of messages in STUN, and copies right after a message
	Goroutines int                     `json:"goroutines"`              // of the daemon: a number that grows and grows is a bug
	Capture    map[string]Ring         `json:"capture"`
	Moat       Moat                    `json:"moat"`
	Fwknop     []FwknopUse             `json:"fwknop,omitempty"`
	Fleet      *Fleet                  `json:"fleet,omitempty"` // of a gate that belongs to one
	Problems   []string                `json:"problems"`        // what an administrator should look at
	Trial      time.Time               `json:"trial,omitzero"`  // until when the configuration in force is on trial; missing: it is not
}

// Fleet is how a gate stands in its fleet.
type Fleet struct {
	Gate    string `json:"gate"`             // what this one is called there
	Entry   uint64 `json:"entry"`            // of the operators' roll, in force here
	Hash    string `json:"hash"`             // of that entry
	Gates   int    `json:"gates"`            // in the roll
	Clients int    `json:"clients"`          // of the fleet who may knock here
	Revoked int    `json:"revoked"`          // of the fleet who may not
	Heard   string `json:"heard"`            // when etcd was heard of last
	Waiting int    `json:"waiting"`          // revocations of this gate that etcd has not taken yet
	Behind  string `json:"behind,omitempty"` // why nothing new is given to clients of the fleet
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
	Cut    bool       `json:"cut,omitempty"`   // end established connections too
	Fleet  bool       `json:"fleet,omitempty"` // keep the client out at all gates of the fleet, until an operator lets it in again; its connections end
}

// RevokeAnswer reports what was ended.
type RevokeAnswer struct {
	Grants   []event.Grant `json:"grants"`
	Cut      int           `json:"cut"`                 // connections
	BySource int           `json:"by_source,omitempty"` // of them those whose owner is not known: they came from a source whose grant was ended
	Others   []string      `json:"others,omitempty"`    // whose they were too
	Waiting  bool          `json:"waiting,omitempty"`   // the other gates have not heard of it yet, since etcd cannot be reached; they will
}

// BanRequest asks to keep a source out.
type BanRequest struct {
	Source netip.Addr `json:"source"`
	For    Duration   `json:"for,omitzero"`    // zero: as the configuration says
	Fleet  bool       `json:"fleet,omitempty"` // at all gates of the fleet, for a day at most
}

// UnbanRequest asks to end a ban.
type UnbanRequest struct {
	Source netip.Addr `json:"source"`
	Fleet  bool       `json:"fleet,omitempty"` // at all gates of the fleet, as far as it is one of the fleet's
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
// The context of what changes something ends when the server stops, not when the asker
// hangs up. Asker and RightsOf read from it who that is.
type Handler interface {
	Viewing
	Acting
	Askers
	Reload(context.Context, ReloadRequest) (ReloadAnswer, error)
	Confirm(context.Context) error
	Down(context.Context, DownRequest) (struct{}, error)
	Exercise(context.Context, ExerciseRequest) (ExerciseAnswer, error)
	Consent(context.Context, ConsentRequest) (ConsentAnswer, error)
	Consented(context.Context, ConsentedRequest) (ConsentedAnswer, error)
	Invite(context.Context, InviteRequest) (InviteAnswer, error)
	Remove(context.Context, RemoveRequest) (RemoveAnswer, error)
	Label(context.Context, LabelRequest) (RemoveAnswer, error)
}

// Viewing answers questions, and changes nothing.
type Viewing interface {
	Status(context.Context) (Status, error)
	Bans(context.Context) ([]event.Ban, error)
	Asks(context.Context) (AsksAnswer, error)
	// Notices waits until there is something after a notice, or the context ends. The
	// first of those of a stream comes at once.
	Notices(context.Context, NoticesRequest) ([]Notice, error)
	Journal(context.Context, JournalRequest) (JournalAnswer, error)
	Findings(context.Context, FindingsRequest) (FindingsAnswer, error)
	Clients(context.Context, ClientsRequest) (ClientsAnswer, error)
	DoorList(context.Context) (DoorsAnswer, error)
	Keys(context.Context) (KeysAnswer, error)
	Lint(context.Context) (LintAnswer, error)
	Report(context.Context, ReportRequest) (report.Summary, error)
	Why(context.Context, WhyRequest) (WhyAnswer, error)
	Sources(context.Context, SourcesRequest) ([]netip.Prefix, error)
}

// Acting does what an operator on duty may order.
type Acting interface {
	Open(context.Context, OpenRequest) (event.Grant, error)
	Revoke(context.Context, RevokeRequest) (RevokeAnswer, error)
	Ban(context.Context, BanRequest) (event.Ban, error)
	Unban(context.Context, UnbanRequest) (struct{}, error)
	Acknowledge(context.Context, AckRequest) (event.Finding, error)
	Note(context.Context, NoteRequest) (struct{}, error)
	Approve(context.Context, ApproveRequest) (ApproveAnswer, error)
	Refuse(context.Context, RefuseRequest) (RefuseAnswer, error)
}

// Askers asks an operator to let someone in.
type Askers interface {
	Ask(context.Context, AskRequest) (AskAnswer, error)
	Asked(context.Context, AskedRequest) (AskedAnswer, error)
}

// Error is a failure with a remedy. Wrong says that the request makes no
// sense, rather than that it could not be carried out.
type Error struct {
	Text   string
	Remedy string
	Wrong  bool
	Denied bool   // it is not allowed, rather than not possible
	Reason string // in one word, for programs; mostly empty
}

// Error returns what went wrong.
func (e *Error) Error() string { return e.Text }

// Hint returns the remedy, or nothing.
func (e *Error) Hint() string { return e.Remedy }

// Wrong is the error about a request that makes no sense.
func Wrong(remedy, format string, args ...any) error {
	return &Error{Text: fmt.Sprintf(format, args...), Remedy: remedy, Wrong: true}
}
