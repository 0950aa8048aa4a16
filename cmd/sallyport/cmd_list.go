package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/sender"
)

func newList(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the profiles",
		GroupID: "client",
		Example: "  sallyport list\n  sallyport list --json",
		Args:    args(cobra.NoArgs),
	}
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		names, err := client.List()
		if err != nil {
			return err
		}
		list, broken := []profileJSON{}, []error{}
		for _, name := range names {
			p, err := client.Load(name)
			if err != nil {
				broken = append(broken, err)
				continue
			}
			list = append(list, profileJSON{p.Name, p.Host, p.Port, append([]string{}, p.Doors...), !p.Rotating.IsZero()})
		}
		if *asJSON {
			printJSON(std.out, list)
		} else {
			printProfiles(std.out, list)
		}
		return errors.Join(broken...)
	}
	return cmd
}

// profileJSON is a profile for programs, without its key.
type profileJSON struct {
	Name     string   `json:"name"`
	Host     string   `json:"host"`
	Port     uint16   `json:"port"` // 0: no SPA
	Doors    []string `json:"doors"`
	Rotating bool     `json:"rotating"`
}

func printProfiles(w io.Writer, list []profileJSON) {
	for _, p := range list {
		where := p.Host
		if p.Port != 0 {
			where = net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port)))
		}
		if shown := sender.Unicode(p.Host); shown != p.Host {
			where += strings.TrimPrefix(shown, p.Host)
		}
		fmt.Fprintf(w, "%s\t%s", p.Name, where)
		for _, d := range p.Doors {
			fmt.Fprintf(w, " %s", d)
		}
		if p.Rotating {
			fmt.Fprint(w, " (rotating sequences)")
		}
		fmt.Fprintln(w)
	}
}
