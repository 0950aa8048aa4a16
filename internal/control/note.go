package control

import "net/netip"

// NoteRequest has the journal say what a program that asks for people has let someone do:
// log in, for one. It changes nothing else.
type NoteRequest struct {
	What   string     `json:"what"`            // "login", "failed", "logout", "passkey-made" or "passkey-removed"
	Source netip.Addr `json:"source,omitzero"` // where that came from
	Text   string     `json:"text,omitempty"`  // how, or what it is called: at most 80 characters that can be printed
}
