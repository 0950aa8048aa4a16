package control

import (
	"net/netip"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

// ReloadRequest asks to read the configuration again. From and To name the
// connection through which the asker sits at the host, if there is one: a change
// that would leave its source no way in is refused, unless Force is set.
type ReloadRequest struct {
	DryRun  bool       `json:"dry_run,omitempty"` // change nothing, tell what would change
	Force   bool       `json:"force,omitempty"`
	Confirm Duration   `json:"confirm,omitzero"`  // roll back unless confirmed in this time; zero: never
	Implied bool       `json:"implied,omitempty"` // another change brings it with it, which is not to bring back what was rolled back
	From    netip.Addr `json:"from,omitzero"`
	To      uint16     `json:"to,omitempty"` // the TCP port of this host
}

// ReloadAnswer reports what has changed, or would.
type ReloadAnswer struct {
	Applied     bool            `json:"applied"`
	Until       time.Time       `json:"until,omitzero"` // of a trial: when it is rolled back
	Changes     []config.Change `json:"changes"`
	Closes      []Listener      `json:"closes"`      // ports that are open now
	Opens       []Listener      `json:"opens"`       // ports that are closed now
	Ends        []event.Grant   `json:"ends"`        // grants in force that end
	Connections []Connection    `json:"connections"` // to ports that close: they go on, and new ones need a grant
	Waiting     []string        `json:"waiting"`     // settings that a restart brings into force
	Warnings    []string        `json:"warnings"`
	Lockout     string          `json:"lockout,omitempty"` // why the asker would have no way in
}

// Listener is a port, and the program that listens there, if one does.
type Listener struct {
	Port    string `json:"port"`
	Program string `json:"program,omitempty"`
	Door    string `json:"door,omitempty"`
}

// Connection is one that is under way.
type Connection struct {
	Source netip.Addr `json:"source"`
	Port   string     `json:"port"`
	Door   string     `json:"door,omitempty"` // that is going to guard the port
}
