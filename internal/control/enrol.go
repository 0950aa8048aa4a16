package control

import (
	"context"
	"net/http"
	"net/netip"
	"time"
)

// InviteRequest asks for an invite. The seed of its key stays with the one who asks.
type InviteRequest struct {
	Client   string         `json:"client"`
	Label    string         `json:"label,omitempty"`
	Doors    []string       `json:"doors"`
	From     []netip.Prefix `json:"from,omitempty"`
	Expires  time.Time      `json:"expires,omitzero"`
	MaxOpen  Duration       `json:"max_open,omitzero"`
	Single   bool           `json:"single,omitempty"`
	Page     string         `json:"page,omitempty"` // origin; empty: for a program
	Rotating bool           `json:"rotating,omitempty"`
	Key      []byte         `json:"key"` // public half
	For      Duration       `json:"for"`
}

// InviteAnswer says how long an invite is valid, and what its link needs beside the seed
// and the addresses of the gate (docs/PROTOCOL.md, section 14).
type InviteAnswer struct {
	Until     time.Time    `json:"until"`
	Issued    time.Time    `json:"issued"`
	Port      uint16       `json:"port"`       // for messages
	ServerKey string       `json:"server_key"` // of the suite x25519
	Skew      Duration     `json:"skew"`
	Doors     []InviteDoor `json:"doors"`
}

// InviteDoor is a door or a group of an invite, and how long it usually stays open; zero: not known.
type InviteDoor struct {
	Name string   `json:"name"`
	Open Duration `json:"open,omitzero"`
}

// RemoveRequest asks to remove a client that has enrolled itself, or to take back its
// invite.
type RemoveRequest struct {
	Client string `json:"client"`
}

// RemoveAnswer says what was there; neither: nothing.
type RemoveAnswer struct {
	Client bool `json:"client"`
	Invite bool `json:"invite"`
}

// LabelRequest asks to write a label beside a client that has enrolled itself.
type LabelRequest struct {
	Client string `json:"client"`
	Label  string `json:"label"`
}

// Invite asks for an invite.
func (c *Conn) Invite(ctx context.Context, q InviteRequest) (a InviteAnswer, err error) {
	err = c.do(ctx, http.MethodPost, "/invite", q, &a)
	return a, err
}

// Remove asks to remove a client that has enrolled itself, or an invite.
func (c *Conn) Remove(ctx context.Context, q RemoveRequest) (a RemoveAnswer, err error) {
	err = c.do(ctx, http.MethodPost, "/remove", q, &a)
	return a, err
}

// Label asks to write beside such a client who or what it is.
func (c *Conn) Label(ctx context.Context, q LabelRequest) (a RemoveAnswer, err error) {
	err = c.do(ctx, http.MethodPost, "/label", q, &a)
	return a, err
}
