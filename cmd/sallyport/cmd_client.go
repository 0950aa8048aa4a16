//go:build linux && !client_only

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"sallyport/client"
	"sallyport/internal/config"
	"sallyport/internal/sender"
)

func newClient(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "client",
		Short:   "Enrol clients on the server",
		GroupID: "server",
		Example: "  sallyport client add alice --key alice.pub --door ssh\n  sallyport client list",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newClientAdd(std), newClientLabel(std), newClientList(std), newClientInvite(std), newClientRemove(std), newClientProfile(std), newClientRotate(std))
	return cmd
}

// clientFile is where a client's file belongs. The name must be fit for one.
func clientFile(path, name string) (string, error) { return ownFile(path, "client", name) }

// makeProfile makes the profile of a client.
func makeProfile(path, name, host string, port uint16) (*client.Profile, error) {
	cfg, err := loadKnown(path)
	if err != nil {
		return nil, err
	}
	c := findClient(cfg, name)
	if c == nil {
		return nil, noClient(cfg, name)
	}
	return profileOf(cfg, c, host, port)
}

// profileOf makes a profile for what a client can use: its key, its secret for
// rotating sequences, or both. Groups come first: the first door of a profile is
// what is asked for when nobody says which.
func profileOf(cfg *config.Config, c *config.Client, host string, port uint16) (*client.Profile, error) {
	host, err := sender.ASCII(host)
	if err != nil {
		return nil, err
	}
	p := &client.Profile{Name: client.SuggestName(host), Host: host, Doors: slices.Concat(c.Groups, c.Doors)}
	if !c.Rotating.Current.IsZero() {
		p.Rotating, p.Shape, p.Gate = c.Rotating.Current, cfg.Rotating.Shape, cfg.Gate.Name
	}
	switch {
	case c.Key != nil && cfg.SPA.Port != 0:
		if err := addKeys(p, cfg, c, port); err != nil {
			return nil, err
		}
	case p.Rotating.IsZero():
		return nil, hinted{errors.New("SPA is off on this server"), "set port in [spa], such as 40321, then: sallyport reload"}
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("make a profile: %w", err)
	}
	return p, nil
}

// addKeys adds what messages need.
func addKeys(p *client.Profile, cfg *config.Config, c *config.Client, port uint16) error {
	ring, err := loadServerKey(cfg)
	if err != nil {
		return err
	}
	public, err := serverKeyFor(ring, c)
	if err != nil {
		return fmt.Errorf("client %q: %w", c.Name, err)
	}
	p.Port, p.ServerKey = cmp.Or(port, cfg.SPA.Port), public.Text()
	p.Identity, p.Skew = ssh.FingerprintSHA256(c.Key), cfg.SPA.ClockSkew
	return nil
}
