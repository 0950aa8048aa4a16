package control

import (
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
	"sallyport/internal/lint"
	"sallyport/internal/report"
)

// NoticesRequest asks for what happens after a notice.
type NoticesRequest struct {
	After string `json:"after,omitempty"` // the id of a notice; empty: from now on
}

// Notice is one message of the stream of events. Each ID is later than those before.
type Notice struct {
	ID        string     `json:"id"`                  // ask for what comes after it with this
	Restarted bool       `json:"restarted,omitempty"` // another run of the daemon than the one that was asked about: ask for everything again
	Missed    uint64     `json:"missed,omitempty"`    // events before this one that are not in the stream: they came faster than they were read, or strangers caused more than a stream shows
	Event     *Happening `json:"event,omitempty"`     // what has happened, if anything has
	Changes   []string   `json:"changes,omitempty"`   // what is to be asked for again: "grants", "bans", "findings", "configuration", "problems", "asks"
}

// Happening is an event with what can be counted of it.
type Happening struct {
	event.Event
	Ended   bool   `json:"ended,omitempty"`   // of a use or a ban: this is the end, not the beginning
	Packets uint64 `json:"packets,omitempty"` // that it stands for, where several are summed up
	Ports   uint32 `json:"ports,omitempty"`   // distinct closed ports that were touched, approximately
}

// Happened is an event as it is passed on.
func Happened(e event.Event) Happening {
	return Happening{Event: e, Ended: e.Ended, Packets: e.Count.Packets, Ports: e.Count.Ports}
}

// JournalRequest asks for events of the journal. What is empty does not restrict.
type JournalRequest struct {
	Since   time.Time      `json:"since,omitzero"`
	Until   time.Time      `json:"until,omitzero"`
	Source  string         `json:"source,omitempty"` // an address, or a prefix
	Door    string         `json:"door,omitempty"`
	Client  string         `json:"client,omitempty"`
	Kinds   []event.Kind   `json:"kind,omitempty"`
	Reasons []event.Reason `json:"reason,omitempty"`
	After   int64          `json:"after,omitempty"` // only what was written after the entry with this id
	Limit   int            `json:"limit,omitempty"` // the newest so many, 1 to 1000; 100 if nothing says how many
}

// JournalAnswer has the entries, the oldest first.
type JournalAnswer struct {
	Entries []JournalEntry `json:"entries"`
}

// JournalEntry is an event with its place in the journal.
type JournalEntry struct {
	ID int64 `json:"id"`
	Happening
}

// FindingsRequest asks for findings.
type FindingsRequest struct {
	All      bool           `json:"all,omitempty"`      // acknowledged ones too
	Severity event.Severity `json:"severity,omitempty"` // at least
	Limit    int            `json:"limit,omitempty"`    // the gravest so many, 1 to 1000; 100 if nothing says how many
	Lang     lang.Lang      `json:"lang,omitempty"`     // of explanation and advice: "en" or "ja"
}

// FindingsAnswer has the findings, the most severe first and then the latest.
type FindingsAnswer struct {
	Findings []event.Finding `json:"findings"`
	More     int             `json:"more,omitempty"` // that there was no room for
}

// ClientsRequest asks for clients, in the order of the configuration.
type ClientsRequest struct {
	After string `json:"after,omitempty"` // the name of the client before the first
	Limit int    `json:"limit,omitempty"` // 1 to 500; 100 if nothing says how many
}

// ClientsAnswer has one page of them.
type ClientsAnswer struct {
	Clients []Client `json:"clients"`
	More    bool     `json:"more,omitempty"` // ask again, after the last
}

// Client is a person or device, and what is known of it. It holds no secret.
type Client struct {
	Name     string    `json:"name"`
	Label    string    `json:"label,omitempty"`
	Doors    []string  `json:"doors"`
	Groups   []string  `json:"groups,omitempty"`
	Ways     []string  `json:"ways"`          // "spa", "fwknop", "rotating"
	Key      string    `json:"key,omitempty"` // its type and fingerprint
	Rotating *Secret   `json:"rotating,omitempty"`
	Expires  time.Time `json:"expires,omitzero"`
	Hours    *Hours    `json:"hours,omitempty"` // missing: always
	Grants   int       `json:"grants"`          // in force now
	Last     *LastUse  `json:"last,omitempty"`  // as far back as the journal goes
}

// Secret is how old a secret is, and when it is to be changed.
type Secret struct {
	Changed       time.Time `json:"changed,omitzero"`        // missing: nobody knows
	Due           time.Time `json:"due,omitzero"`            // missing: nobody has said how old it may get
	Overdue       bool      `json:"overdue,omitempty"`       // it is older, or of unknown age where an age is demanded
	PreviousUntil time.Time `json:"previous_until,omitzero"` // until when the one before works too
}

// Hours are when something may be opened.
type Hours struct {
	Text  string    `json:"text"`
	Open  bool      `json:"open"`           // now
	Until time.Time `json:"until,omitzero"` // when they end, while they are open
}

// LastUse is the latest grant of a client.
type LastUse struct {
	Time   time.Time    `json:"time"`
	Door   string       `json:"door"`
	Source netip.Addr   `json:"source,omitzero"`
	Reason event.Reason `json:"reason"` // the way by which it came
}

// DoorsAnswer has every door.
type DoorsAnswer struct {
	Doors []DoorState `json:"doors"`
}

// DoorState is a door, who may open it, and when.
type DoorState struct {
	Name     string   `json:"name"`
	Label    string   `json:"label,omitempty"`
	Ports    []string `json:"ports"`
	To       []string `json:"to,omitempty"` // destinations behind this host
	OpenFor  Duration `json:"open_for"`
	Single   bool     `json:"single,omitempty"`
	Ways     []string `json:"ways"` // "spa", "fwknop", "rotating", "sequence", "one-time"
	Sequence *Secret  `json:"sequence,omitempty"`
	Hours    *Hours   `json:"hours,omitempty"` // missing: always
	Polled   Duration `json:"polled,omitzero"` // how often other systems read who may use it
	Clients  int      `json:"clients"`         // that may open it with a key or a secret
	Grants   int      `json:"grants"`          // in force now
	Dropped  uint64   `json:"dropped"`         // packets refused at its ports
}

// KeysAnswer has the server keys in force.
type KeysAnswer struct {
	Keys []ServerKey `json:"keys"`
}

// ServerKey is a server key, without what is secret of it.
type ServerKey struct {
	Suite         string    `json:"suite"`
	Fingerprint   string    `json:"fingerprint"`
	Previous      string    `json:"previous,omitempty"` // fingerprint of the key before, while it works too
	PreviousUntil time.Time `json:"previous_until,omitzero"`
}

// LintAnswer is what sallyport check says of the configuration in force, on this host.
type LintAnswer struct {
	At       time.Time     `json:"at"`    // when the host was looked at
	Notes    []string      `json:"notes"` // what could not be found out
	Problems []LintProblem `json:"problems"`
}

// LintProblem is one breach of a rule, the gravest first.
type LintProblem struct {
	Rule     string        `json:"rule"`
	Severity lint.Severity `json:"severity"`
	File     string        `json:"file"`
	Line     int           `json:"line"` // 0: the file as a whole
	Text     string        `json:"text"`
	Remedy   string        `json:"remedy"`
}

// NewLintProblem writes a problem as it is sent, and as sallyport check prints it.
func NewLintProblem(p lint.Problem) LintProblem {
	return LintProblem{Rule: p.Rule, Severity: p.Severity, File: p.Place.File, Line: p.Place.Line, Text: p.Text, Remedy: p.Remedy}
}

// ReportRequest asks for the figures of some time.
type ReportRequest struct {
	Since time.Time `json:"since,omitzero"` // seven days ago if nothing says since when
	Until time.Time `json:"until,omitzero"` // now if nothing says until when
	Lang  lang.Lang `json:"lang,omitempty"` // of what is said of findings, and of the advice: "en" or "ja"
}

// WhyRequest asks why something gets in, or does not.
type WhyRequest struct {
	Of    string    `json:"of"`             // an address or a prefix, a door, or a client
	Since time.Time `json:"since,omitzero"` // a day ago if nothing says since when
}

// WhyAnswer explains what lately came of that.
type WhyAnswer struct {
	Of      string             `json:"of"`
	Since   time.Time          `json:"since"`
	Grants  []event.Grant      `json:"grants"`  // in force now
	Reasons []report.WhyReason `json:"reasons"` // of refusals and ends, the latest first
	Events  []Happening        `json:"events"`  // the latest few, the oldest first
}

// SourcesRequest asks who may use a door.
type SourcesRequest struct {
	Door string `json:"door" in:"path"`
}
