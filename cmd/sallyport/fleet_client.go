//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/fleet/desk"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/sequence"
)

// forFleet is what commands have that are about a client of the fleet.
type forFleet struct {
	*signing
	on     bool
	gates  []string
	groups []string
	folder string // where profiles go, a file for each gate
}

func fleetFlag(cmd *cobra.Command, std stdio, usage string) *forFleet {
	f := &forFleet{signing: signingFlags(cmd, std)}
	cmd.Flags().BoolVar(&f.on, "fleet", false, usage)
	return f
}

// placeFlags say at which gates.
func (f *forFleet) placeFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.gates, "gate", nil, "with --fleet, a `GATE` at which it holds (may be repeated; default: all)")
	cmd.Flags().StringArrayVar(&f.groups, "group", nil, "with --fleet, a `GROUP` of gates at which it holds (may be repeated)")
	f.profileFlag(cmd)
}

func (f *forFleet) profileFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.folder, "profiles", "", "with --fleet, write a profile for each gate into the folder `DIR`")
}

// alone refuses flags that only mean something with or without --fleet.
func (f *forFleet) alone(cmd *cobra.Command, without ...string) error {
	if !f.on {
		without = []string{"gate", "group", "profiles", "identity", "wait"}
	}
	for _, name := range without {
		if flag := cmd.Flags().Lookup(name); flag != nil && flag.Changed {
			if f.on {
				return usageError{fmt.Errorf("--%s means nothing with --fleet", name)}
			}
			return usageError{fmt.Errorf("--%s means nothing without --fleet", name)}
		}
	}
	return nil
}

// placed refuses gates and groups that the roll does not have: a slip of the keyboard
// would keep the client out of them.
func (f *forFleet) placed(d *desk.Desk) error {
	for _, name := range f.gates {
		if _, there := d.View.Gates[name]; !there {
			return unknown("gate", name, desk.Names(d.View.Gates), "sallyport fleet status shows them")
		}
	}
	groups := map[string]bool{}
	for _, g := range d.View.Gates {
		for _, name := range g.Groups {
			groups[name] = true
		}
	}
	for _, name := range f.groups {
		if !groups[name] {
			return unknown("group of gates", name, desk.Names(groups), "sallyport fleet invite --group puts gates into groups")
		}
	}
	return nil
}

// enrol has a change signed, hands out the secret, and writes profiles.
func (f *forFleet) enrol(ctx context.Context, d *desk.Desk, change roll.Change, c roll.Client, secret sequence.Secret) error {
	if f.folder == "" && !secret.IsZero() {
		return usageError{hinted{errors.New("the secret stands in the profiles, and nowhere else: --profiles DIR is needed"), "give them to the client alone"}}
	}
	if _, err := f.change(ctx, f.std.out, d, change); err != nil {
		return err
	}
	fmt.Fprintln(f.std.out, change)
	if !secret.IsZero() {
		if err := d.Hand(ctx, c, secret); err != nil {
			return hinted{fmt.Errorf("hand the secret to the gates: %w", err), "the client is in the roll; this hands out another one: sallyport client rotate " + c.Name + " --fleet"}
		}
	}
	if f.folder == "" {
		return nil
	}
	return f.profiles(d, c, secret)
}

// profiles writes a profile for each gate at which a client counts.
func (f *forFleet) profiles(d *desk.Desk, c roll.Client, secret sequence.Secret) error {
	if err := os.MkdirAll(f.folder, 0o700); err != nil {
		return err
	}
	n := 0
	for _, name := range desk.Names(d.View.Gates) {
		g := d.View.Gates[name]
		if !c.At(&g) {
			continue
		}
		p, err := desk.Profile(g, c, secret)
		if err != nil {
			warn(f.std.err, "no profile for gate %q: %v", name, err)
			continue
		}
		file := filepath.Join(f.folder, name+".profile")
		if err := os.WriteFile(file, p.Marshal(), 0o600); err != nil {
			return err
		}
		fmt.Fprintln(f.std.out, file)
		n++
	}
	if n == 0 {
		return hinted{errors.New("there is no gate to write a profile for"), "gates name the addresses by which clients reach them: sallyport fleet join --address"}
	}
	return nil
}

// profilesOf writes the profiles of a client that is in the roll.
func (f *forFleet) profilesOf(ctx context.Context, name string) error {
	if f.folder == "" {
		return usageError{errors.New("--profiles is needed: the folder for the profiles")}
	}
	d, err := openFleet(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	m, err := f.member(d, name)
	if err != nil {
		return err
	}
	return f.profiles(d, m.Client, sequence.Secret{})
}

// member returns a client of the roll.
func (f *forFleet) member(d *desk.Desk, name string) (roll.Member, error) {
	m, there := d.View.Clients[name]
	if !there {
		return m, unknown("client of the fleet", name, desk.Names(d.View.Clients), "sallyport client list --fleet lists them")
	}
	return m, nil
}

// removeFromFleet takes a client out of the roll. That ends its grants everywhere.
func (f *forFleet) removeFromFleet(ctx context.Context, name string) error {
	d, err := openFleet(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	m, err := f.member(d, name)
	if err != nil {
		return err
	}
	missing, err := f.change(ctx, f.std.out, d, roll.ClientRemove{Name: name})
	if err != nil {
		return err
	}
	fmt.Fprintf(f.std.out, "client %q of the fleet is removed\n", name)
	if m.Secrets != (roll.Hash{}) {
		err = d.Take(ctx, m.Client)
	}
	return errors.Join(err, notEverywhere(missing))
}

// notEverywhere makes it an error if something that keeps a client out is not in force at
// all gates.
func notEverywhere(missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	return hinted{fmt.Errorf("it is not in force everywhere yet: %d gates have not said so", len(missing)),
		"a gate that cannot reach etcd lets clients of the fleet in for as long as without_fleet says; sallyport fleet status shows when it has heard"}
}

// revokeInFleet has an operator keep a client out, or let it in again.
func (f *forFleet) revokeInFleet(ctx context.Context, name string, lift bool) error {
	d, err := openFleet(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := f.member(d, name); err != nil {
		return err
	}
	var c roll.Change = roll.Revoke{Name: name}
	if lift {
		c = roll.Unrevoke{Name: name}
	}
	missing, err := f.change(ctx, f.std.out, d, c)
	if err != nil {
		return err
	}
	fmt.Fprintln(f.std.out, c)
	if lift {
		return nil
	}
	return notEverywhere(missing)
}

// rotateInFleet gives a client another secret at all gates.
func (f *forFleet) rotateInFleet(ctx context.Context, name string, first bool) error {
	d, err := openFleet(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	m, err := f.member(d, name)
	if err != nil {
		return err
	}
	if (m.Secrets == roll.Hash{}) && !first {
		return hinted{fmt.Errorf("client %q has no secret for rotating sequences", name), "--rotating gives it a first one"}
	}
	c, secret := m.Client, newSecret()
	if err := d.Give(&c, secret); err != nil {
		return err
	}
	return f.enrol(ctx, d, roll.ClientReplace{Client: c}, c, secret)
}

// fleetClients returns the clients of the fleet, in the order of their names.
func fleetClients(ctx context.Context) (list []roll.Member, err error) {
	d, err := openFleet(ctx)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	for _, name := range desk.Names(d.View.Clients) {
		list = append(list, d.View.Clients[name])
	}
	return list, nil
}
