//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/config"
	"sallyport/internal/key"
	"sallyport/internal/page"
)

func newClientProfile(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile NAME --host HOST",
		Short: "Print what a client needs to know of this server",
		Long: `Prints a profile, which the client reads with "sallyport add". It holds the server's public key,
which is for clients only: anyone who has it can make the server do work, though never open a door.

With --fleet the profiles of a client of the fleet are written, one for each gate, from any machine of an operator.
A secret for rotating sequences is not in them: client rotate --fleet makes profiles with one.`,
		Example: "  sallyport client profile alice --host gate.example.org > alice.profile",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	host := cmd.Flags().String("host", "", "name or address, `HOST`, by which the client reaches this server")
	port := cmd.Flags().Uint16("port", 0, "UDP `PORT` by which it does (default: the SPA port)")
	asQR := cmd.Flags().Bool("qr", false, "print what rotating sequences need as a QR code")
	forBrowsers := cmd.Flags().String("page", "", "print the link that adds this server to the pocket page at `URL` (see sallyport page)")
	cmd.Flags().Lookup("page").NoOptDefVal = bareLink
	cmd.MarkFlagsMutuallyExclusive("qr", "page")
	f := &forFleet{signing: &signing{std: std}}
	cmd.Flags().BoolVar(&f.on, "fleet", false, "write the profiles of a client of the fleet")
	f.profileFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if err := f.alone(cmd, "host", "port", "qr", "page", "config"); err != nil {
			return err
		}
		if f.on {
			return f.profilesOf(cmd.Context(), list[0])
		}
		if *host == "" {
			return usageError{hinted{errors.New("--host is missing"), "usage: " + cmd.UseLine()}}
		}
		if err := checkHost(*host); err != nil {
			return err
		}
		p, err := makeProfile(*path, list[0], *host, *port)
		if err != nil {
			return err
		}
		switch {
		case *asQR:
			return printQR(std.out, p)
		case cmd.Flags().Changed("page"):
			link, err := linkOf(*path, list[0], p, time.Now())
			if err != nil {
				return err
			}
			if *forBrowsers != bareLink {
				base, _, _ := strings.Cut(*forBrowsers, "#")
				link = base + "#" + link
			}
			_, err = fmt.Fprintln(std.out, link)
			return err
		}
		_, err = std.out.Write(p.Marshal())
		return err
	}
	return cmd
}

// bareLink is a link without the address of a page.
const bareLink = "-"

// linkOf is what a browser needs of a client's profile.
func linkOf(path, name string, p *client.Profile, now time.Time) (string, error) {
	host, err := addressForPage(p.Host)
	if err != nil {
		return "", err
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return "", err
	}
	link := page.Link{Host: host, Issued: now}
	for _, name := range p.Doors {
		door := page.Door{Name: name}
		if i := slices.IndexFunc(cfg.Doors, func(d config.Door) bool { return d.Name == name }); i >= 0 {
			door.Open = cfg.Doors[i].OpenFor
		}
		link.Doors = append(link.Doors, door)
	}
	if !p.Rotating.IsZero() {
		link.Secret, link.Gate = p.Rotating.Text(), p.Gate
		link.Shape = fmt.Sprintf("%d %s %d-%d", p.Shape.Knocks, p.Shape.Protos, p.Shape.First, p.Shape.Last)
	}
	if c := findClient(cfg, name); c != nil && c.STUN && c.Key != nil {
		if link.ServerKey, err = keyForPage(cfg); err != nil {
			return "", err
		}
		link.Port = p.Port
	}
	if link.Secret == "" && link.ServerKey == "" {
		return "", hinted{fmt.Errorf("from a browser client %q can use neither a secret, which it has not got, nor its key, since stun = true is missing", name),
			"sallyport client rotate gives the client a secret; stun = true in [spa] and of the client lets messages come from a browser"}
	}
	return link.Text(), nil
}

// keyForPage is the server's key that browsers can use. A profile may name another one.
func keyForPage(cfg *config.Config) (string, error) {
	ring, err := loadServerKey(cfg)
	if err != nil {
		return "", err
	}
	small, ok := ring.Of(key.X25519)
	if !ok {
		return "", hinted{errors.New("the server has no key of the suite x25519, which browsers need"), "sallyport server-key rotate --suite x25519 adds one"}
	}
	return small.Current.Public().Text(), nil
}
