//go:build linux && !client_only

package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/phrase"
)

func newDoorList(std stdio) *cobra.Command {
	return newListing(std, "List doors, and who may open them", "  sallyport door list --json", listedDoors,
		[]any{"DOOR", "PORTS", "STAYS OPEN", "BY", "CLIENTS", "LABEL", "DEFINED AT"}, func(d listedDoor) []any {
			return []any{d.Name, strings.Join(d.Ports, " "), phrase.Duration(d.OpenFor), orDash(strings.Join(d.Ways, ", ")), orDash(strings.Join(d.Clients, " ")), orDash(d.Label), d.Place}
		})
}

// listedDoor is a door as it is shown.
type listedDoor struct {
	Name    string        `json:"name"`
	Label   string        `json:"label,omitempty"`
	Ports   []string      `json:"ports"`
	OpenFor time.Duration `json:"-"`
	Seconds float64       `json:"open_for_seconds"`
	Ways    []string      `json:"ways"`    // "spa", "rotating", "sequence", "one-time"
	Clients []string      `json:"clients"` // who may open it with a key or a secret
	Place   string        `json:"place"`
}

func listedDoors(cfg *config.Config) []listedDoor {
	list := []listedDoor{}
	for _, d := range cfg.Doors {
		entry := listedDoor{Name: d.Name, Label: d.Label, OpenFor: d.OpenFor, Seconds: d.OpenFor.Seconds(), Ways: []string{}, Clients: []string{}, Place: d.Place.String()}
		for _, p := range d.Ports {
			entry.Ports = append(entry.Ports, p.String())
		}
		way := func(has bool, name string) {
			if has && !slices.Contains(entry.Ways, name) {
				entry.Ways = append(entry.Ways, name)
			}
		}
		for _, c := range cfg.Clients {
			if slices.Contains(c.Doors, d.Name) {
				entry.Clients = append(entry.Clients, c.Name)
				way(c.Key != nil && cfg.SPA.Port != 0, "spa")
				way(c.Fwknop != nil && cfg.SPA.FwknopPort != 0, "fwknop")
				way(!c.Rotating.Current.IsZero(), "rotating")
			}
		}
		way(len(d.Sequence) > 0, "sequence")
		way(d.SequencesFile != "", "one-time")
		list = append(list, entry)
	}
	return list
}
