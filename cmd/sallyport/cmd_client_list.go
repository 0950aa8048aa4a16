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
	cmd := &cobra.Command{Use: "list", Short: "List clients", Args: args(cobra.NoArgs)}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		list := listed(cfg)
		if *asJSON {
			printJSON(std.out, list)
			return nil
		}
		table(std.out, func(row func(...any)) {
			row("CLIENT", "DOORS", "KEY", "ROTATING", "FWKNOP", "EXPIRES", "LABEL", "DEFINED AT")
			for _, c := range list {
				row(c.Name, strings.Join(c.Doors, " "), cmp.Or(c.Key, "none"), yesNo(c.Rotating), yesNo(c.Fwknop), cmp.Or(c.Expires, "never"), orDash(c.Label), c.Place)
			}
		})
		return nil
	}
	return cmd
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

func listed(cfg *config.Config) []listedClient {
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
