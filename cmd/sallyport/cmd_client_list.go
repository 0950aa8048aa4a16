//go:build linux && !client_only

package main

import (
	"cmp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
)

func newClientList(std stdio) *cobra.Command {
	return newListing(std, "List clients, and what they may open", "  sallyport client list --json", listedClients,
		[]any{"CLIENT", "DOORS", "KEY", "ROTATING", "FWKNOP", "EXPIRES", "LABEL", "DEFINED AT"}, func(c listedClient) []any {
			return []any{c.Name, strings.Join(c.Doors, " "), cmp.Or(c.Key, "none"), yesNo(c.Rotating), yesNo(c.Fwknop), cmp.Or(c.Expires, "never"), orDash(c.Label), c.Place}
		})
}

// listedClient is a client as it is shown.
type listedClient struct {
	Name     string   `json:"name"`
	Label    string   `json:"label,omitempty"`
	Doors    []string `json:"doors"`
	Key      string   `json:"key"`      // type and fingerprint; empty: none
	Rotating bool     `json:"rotating"` // it has a secret for rotating sequences
	Fwknop   bool     `json:"fwknop"`   // it has keys of a client of fwknop's
	Expires  string   `json:"expires,omitempty"`
	Place    string   `json:"place"`
}

func listedClients(cfg *config.Config) []listedClient {
	list := []listedClient{}
	for _, c := range cfg.Clients {
		entry := listedClient{Name: c.Name, Label: c.Label, Doors: c.Doors, Key: keyText(c.Key), Rotating: !c.Rotating.Current.IsZero(), Fwknop: c.Fwknop != nil, Place: c.Place.String()}
		if !c.Expires.IsZero() {
			entry.Expires = c.Expires.Format(time.RFC3339)
		}
		list = append(list, entry)
	}
	return list
}

func keyText(k ssh.PublicKey) string {
	if k == nil {
		return ""
	}
	return k.Type() + " " + ssh.FingerprintSHA256(k)
}
