//go:build linux && !client_only

package main

import (
	"cmp"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/enrolled"
)

func newClientList(std stdio) *cobra.Command {
	return newListing(std, "List clients, and what they may open", "  sallyport client list --json", listedClients,
		[]any{"CLIENT", "DOORS", "KEY", "ROTATING", "FWKNOP", "EXPIRES", "LABEL", "DEFINED AT"}, func(c listedClient) []any {
			return []any{c.Name, strings.Join(c.Doors, " "), keyOrInvite(c), yesNo(c.Rotating), yesNo(c.Fwknop), cmp.Or(c.Expires, "never"), orDash(c.Label), c.Place}
		})
}

// listedClient is a client as it is shown.
type listedClient struct {
	Name     string   `json:"name"`
	Label    string   `json:"label,omitempty"`
	Doors    []string `json:"doors"`
	Key      string   `json:"key"`                // type and fingerprint; empty: none
	Rotating bool     `json:"rotating"`           // it has a secret for rotating sequences
	Fwknop   bool     `json:"fwknop"`             // it has keys of a client of fwknop's
	Enrolled bool     `json:"enrolled,omitempty"` // it has enrolled itself with an invite
	Invite   string   `json:"invite,omitempty"`   // until when an invite is open; the client is not there yet
	Expires  string   `json:"expires,omitempty"`
	Place    string   `json:"place"`
}

func listedClients(cfg *config.Config) []listedClient {
	list := []listedClient{}
	for _, c := range cfg.Clients {
		entry := listedClient{Name: c.Name, Label: c.Label, Doors: c.Doors, Key: keyText(c.Key), Rotating: !c.Rotating.Current.IsZero(), Fwknop: c.Fwknop != nil, Enrolled: enrolled.Is(cfg, &c), Expires: expiry(c.Expires), Place: c.Place.String()}
		list = append(list, entry)
	}
	for _, r := range openInvites(records(cfg), time.Now()) {
		list = append(list, listedClient{Name: r.Name, Label: r.Label, Doors: r.Doors, Rotating: r.Rotating, Invite: r.Until.Format(time.RFC3339), Expires: expiry(r.Expires),
			Place: filepath.Join(cfg.Daemon.StateDir, enrolled.Dir, r.File())})
	}
	return list
}

func expiry(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// keyOrInvite is what a client has, or may bring.
func keyOrInvite(c listedClient) string {
	if c.Invite != "" {
		return "open invite until " + c.Invite
	}
	return cmp.Or(c.Key, "none")
}
