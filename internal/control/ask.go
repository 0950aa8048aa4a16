package control

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"sallyport/internal/event"
)

// AskRequest asks for someone who has nothing to show to be let in. It opens nothing:
// an operator decides.
type AskRequest struct {
	Source netip.Addr `json:"source"`
	Door   string     `json:"door,omitempty"` // empty: the operator chooses
	Note   string     `json:"note,omitempty"` // for the operator: who it is, in 100 characters at most
}

// AskAnswer is for the asker's eyes only.
type AskAnswer struct {
	Token string    `json:"token"` // asks what became of it
	Code  string    `json:"code"`  // what the operator is to type
	Until time.Time `json:"until"`
}

// AskedRequest asks what became of an ask.
type AskedRequest struct {
	Token string `json:"token"`
}

// AskedAnswer says what became of an ask.
type AskedAnswer struct {
	State AskState  `json:"state"`
	Door  string    `json:"door,omitempty"` // that was opened
	Until time.Time `json:"until,omitzero"` // while it waits: until when it does; once allowed: how long the door is open
}

// AskState is what became of an ask.
type AskState string

// What may become of an ask.
const (
	AskWaiting  AskState = "waiting"
	AskAllowed  AskState = "allowed"
	AskDeclined AskState = "refused"
	AskOver     AskState = "over" // nobody decided in time, it was replaced, or there is none
)

// AsksAnswer has those who wait for an operator, the oldest first.
type AsksAnswer struct {
	Asks []Ask `json:"asks"`
}

// Ask is someone who waits to be let in. The code is not there: the operator has it from
// that person, and types it.
type Ask struct {
	ID     string     `json:"id"`
	Source netip.Addr `json:"source"`
	Family string     `json:"family"` // "ipv4" or "ipv6"
	At     time.Time  `json:"at"`
	Until  time.Time  `json:"until"`
	Client string     `json:"client,omitempty"` // who has shown a key; missing: anyone
	Bound  bool       `json:"bound,omitempty"`  // the client has signed the address
	Door   string     `json:"door,omitempty"`
	Note   string     `json:"note,omitempty"`   // what the asker has written; it proves nothing
	Tries  int        `json:"tries"`            // how many wrong codes end it
	Lookup *Lookup    `json:"lookup,omitempty"` // what is known of the address; missing: the journal could not be read
}

// Lookup is what is known of an address, or of its /64.
type Lookup struct {
	Last     *Happening      `json:"last_grant,omitempty"` // in the last 30 days
	Refusals uint64          `json:"refusals"`             // in the last day
	Banned   bool            `json:"banned"`
	Findings []LookupFinding `json:"findings"` // not acknowledged; the gravest five
}

// LookupFinding is a finding about the address.
type LookupFinding struct {
	ID          string         `json:"id"`
	Rule        string         `json:"rule"`
	Severity    event.Severity `json:"severity"`
	Explanation string         `json:"explanation"`
}

// ApproveRequest lets in who has that code.
type ApproveRequest struct {
	Code string   `json:"code"`
	Door string   `json:"door,omitempty"` // empty: the one that was asked for, or the only one there is
	For  Duration `json:"for,omitzero"`   // zero: the door's open_for
	ID   string   `json:"id,omitempty"`   // of the ask that is meant; its beginning will do
}

// Logged is the request without its secret.
func (q ApproveRequest) Logged() any {
	q.Code = "(code)"
	return q
}

// ApproveAnswer says who was let in.
type ApproveAnswer struct {
	ID     string     `json:"id"`
	Client string     `json:"client,omitempty"`
	Source netip.Addr `json:"source"`
	Door   string     `json:"door"`
	Until  time.Time  `json:"until"`
}

// RefuseRequest ends an ask.
type RefuseRequest struct {
	ID string `json:"id"` // its beginning will do
}

// RefuseAnswer says whose it was.
type RefuseAnswer struct {
	ID     string     `json:"id"`
	Client string     `json:"client,omitempty"`
	Source netip.Addr `json:"source"`
}

// Reasons of the failures of an ask, for programs.
const (
	AskedAlready = "asked-already" // there is one from this network
	AsksFull     = string(event.AsksFull)
)

// Ask asks for someone to be let in.
func (c *Conn) Ask(ctx context.Context, q AskRequest) (a AskAnswer, err error) {
	err = c.do(ctx, http.MethodPost, version+"/ask", q, &a)
	return a, err
}

// Asked asks what became of an ask.
func (c *Conn) Asked(ctx context.Context, q AskedRequest) (a AskedAnswer, err error) {
	err = c.do(ctx, http.MethodGet, version+"/asked"+inQuery(q), nil, &a)
	return a, err
}

// Asks asks who waits to be let in.
func (c *Conn) Asks(ctx context.Context) (a AsksAnswer, err error) {
	err = c.do(ctx, http.MethodGet, version+"/asks", nil, &a)
	return a, err
}

// Approve lets in who has a code.
func (c *Conn) Approve(ctx context.Context, q ApproveRequest) (a ApproveAnswer, err error) {
	err = c.do(ctx, http.MethodPost, version+"/approve", q, &a)
	return a, err
}

// Refuse ends an ask.
func (c *Conn) Refuse(ctx context.Context, q RefuseRequest) (a RefuseAnswer, err error) {
	err = c.do(ctx, http.MethodPost, version+"/refuse", q, &a)
	return a, err
}
