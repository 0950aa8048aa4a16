//go:build linux && !client_only

package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

func newDoorRemove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a door: its ports are open again",
		Long: `Takes a door out of the file that defines it, comments above it included, and has the daemon forget it. Its
ports are then open to everyone whom no other firewall keeps out; its grants end, sessions go on.`,
		Example: "  sallyport door remove web --confirm 60s",
		Args:    args(cobra.ExactArgs(1)),
	}
	var a alteration
	a.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		cfg, err := loadConfig(a.path)
		if err != nil {
			return advise(err)
		}
		d := cfg.Door(list[0])
		if d == nil {
			return noDoor(cfg, list[0])
		}
		if users := usersOf(cfg, d.Name); len(users) > 0 {
			return hinted{fmt.Errorf("remove door %q: %s still %s it", d.Name, strings.Join(users, ", "), verb(users, "names", "name")),
				"take it from their doors first, such as: sallyport config set client.NAME.doors …"}
		}
		file := d.Place.File
		before, err := os.ReadFile(file)
		if err != nil {
			return advise(err)
		}
		after, err := config.RemoveTable(before, d.Place.Line)
		if err != nil {
			return fmt.Errorf("%s %w", d.Place, err)
		}
		if own, err := doorFile(a.path, d.Name); err == nil && own == file && onlyComments(after) {
			after = nil
		}
		if err := a.apply(cmd.Context(), std.out, file, before, after); err != nil {
			return fmt.Errorf("remove door %q: %w", d.Name, err)
		}
		fmt.Fprintf(std.out, "door %q is removed (%s)\n", d.Name, file)
		return nil
	}
	return cmd
}

// onlyComments reports whether nothing is left of a file that counts.
func onlyComments(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

// usersOf names the clients and groups that name a door.
func usersOf(cfg *config.Config, door string) (list []string) {
	for _, g := range cfg.Groups {
		if slices.Contains(g.Doors, door) {
			list = append(list, fmt.Sprintf("group %q", g.Name))
		}
	}
	for _, c := range cfg.Clients {
		if slices.Contains(c.Doors, door) {
			list = append(list, fmt.Sprintf("client %q", c.Name))
		}
	}
	return list
}

func verb(list []string, one, many string) string {
	if len(list) == 1 {
		return one
	}
	return many
}
