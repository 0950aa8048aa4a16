package control

import (
	"net/netip"
	"time"
)

// ConsentRequest asks for the consent to a drill from these addresses.
type ConsentRequest struct {
	Sources []netip.Addr `json:"sources"`
	Valid   Duration     `json:"valid,omitzero"` // zero: the longest, an hour
}

// ConsentAnswer has the token, which is shown this once.
type ConsentAnswer struct {
	ID      string       `json:"id"`
	Token   string       `json:"token"`
	Sources []netip.Addr `json:"sources"`
	Until   time.Time    `json:"until"`
}

// ConsentedRequest asks what came of a consent, or ends it and lifts its bans. Proof
// shows that the asker has the token, and is not the token.
type ConsentedRequest struct {
	Proof []byte `json:"proof"`
	End   bool   `json:"end,omitempty"`
}

// ConsentedAnswer says what has been seen of the addresses while the consent was in
// force.
type ConsentedAnswer struct {
	ID      string         `json:"id"`
	Sources []netip.Addr   `json:"sources"`
	Now     time.Time      `json:"now"` // of the gate
	Given   time.Time      `json:"given"`
	Until   time.Time      `json:"until"`
	First   time.Time      `json:"first,omitzero"` // when packets of strangers came from there; missing: none have come
	Last    time.Time      `json:"last,omitzero"`
	Detect  bool           `json:"detect"`           // findings are made
	Bans    bool           `json:"bans"`             // and bans
	Banned  []netip.Addr   `json:"banned"`           // whose bans are marked
	Lifted  []netip.Prefix `json:"lifted,omitempty"` // the bans that have been lifted
}
