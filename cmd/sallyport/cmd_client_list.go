//go:build linux && !client_only

package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/enrolled"
	"sallyport/internal/fleet/roll"
)

func newClientList(std stdio) *cobra.Command {
	header := []any{"CLIENT", "DOORS", "KEY", "ROTATING", "FWKNOP", "EXPIRES", "LABEL", "DEFINED AT"}
	cells := func(c listedClient) []any {
		return []any{c.Name, strings.Join(c.Doors, " "), keyOrInvite(c), yesNo(c.Rotating), yesNo(c.Fwknop), cmp.Or(c.Expires, "never"), orDash(c.Label), c.Place}
	}
	cmd := newListing(std, "List clients, and what they may open", "  sallyport client list --json\n  sallyport client list --fleet", listedClients, header, cells)
	here, fleet := cmd.RunE, cmd.Flags().Bool("fleet", false, "those of the fleet, as its operators have signed them")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if !*fleet {
			return here(cmd, words)
		}
		members, err := fleetClients(cmd.Context())
		if err != nil {
			return err
		}
		list := []listedClient{}
		for _, m := range members {
			list = append(list, listedMember(m))
		}
		asJSON, _ := cmd.Flags().GetBool("json") // a listing has it
		printListing(std, asJSON, list, header, cells)
		return nil
	}
	return cmd
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

// listedMember is a client of the fleet as it is shown.
func listedMember(m roll.Member) listedClient {
	k, _ := m.PublicKey() // it is in the roll
	place := fmt.Sprintf("the fleet, entry %d", m.Since)
	if m.Revoked {
		place = "the fleet, revoked"
	}
	return listedClient{Name: m.Name, Label: m.Label, Doors: m.Doors, Key: keyText(k), Rotating: m.Secrets != roll.Hash{}, Expires: expiry(m.Expires), Place: place}
}
