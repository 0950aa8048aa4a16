//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/fleet/admission"
	"sallyport/internal/fleet/desk"
	"sallyport/internal/phrase"
)

func newFleetInvite(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "invite GATE",
		Short: "Make the invitation with which a gate joins",
		Long: `Prints an invitation for a gate of that name. It says where etcd is and how far the roll is, so that nobody can
lead the gate into another fleet, or into the past of this one. Until the gate has been approved, the invitation is as
good as a key: carry it by a way that others do not read.

The gate uses it with "sallyport fleet join"; then "sallyport fleet approve" here signs the gate into the roll.
A gate that is in the fleet already and has lost its keys is invited again.`,
		Example: `  sallyport fleet invite tokyo-1 --group tokyo > tokyo-1.invitation
  ssh root@tokyo-1 sallyport fleet join - --yes --address 203.0.113.1 \
      --cert /etc/sallyport/etcd.pem --key /etc/sallyport/etcd.key \
      < tokyo-1.invitation`,
		Args: args(cobra.ExactArgs(1)),
	}
	var groups []string
	valid := durationFlag(24 * time.Hour)
	cmd.Flags().StringArrayVar(&groups, "group", nil, "a `GROUP` of gates that it belongs to (may be repeated)")
	cmd.Flags().Var(&valid, "valid", "how long it can be used, at most 7d")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		for _, name := range append(groups, list[0]) {
			if !config.ValidName(name) {
				return usageError{fmt.Errorf("%q is no name: want 1 to 32 of a-z, 0-9, dot, dash and underscore", name)}
			}
		}
		if valid < durationFlag(time.Minute) || time.Duration(valid) > admission.MaxValid {
			return usageError{fmt.Errorf("--valid %s: want 1m to 7d", valid.String())}
		}
		d, err := openFleet(cmd.Context())
		if err != nil {
			return err
		}
		defer d.Close()
		i, err := d.Invite(list[0], groups, time.Now().Add(time.Duration(valid)))
		if err != nil {
			return advise(err)
		}
		fmt.Fprintf(std.err, "gate %q can join until %s: sallyport fleet join INVITATION, there; then here: sallyport fleet approve %s\n", i.Gate, i.Until.Local().Format(time.DateTime), i.Gate)
		_, err = fmt.Fprintln(std.out, i.Text())
		return err
	}
	return cmd
}

func newFleetApprove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approve [GATE]",
		Short: "Sign gates into the roll that have joined, or have new keys",
		Long: `Shows each gate that asks, and signs it into the roll if you say so. A gate is believed that asks with an
invitation which was made here; one that has new keys, because its old key vouches for them. Another
one, whose invitation another operator has made, needs --key, with what the gate has printed.`,
		Example: "  sallyport fleet approve\n  sallyport fleet approve tokyo-1 --key SHA256:...",
		Args:    args(cobra.MaximumNArgs(1)),
	}
	a := approval{signing: signingFlags(cmd, std)}
	cmd.Flags().BoolVarP(&a.sure, "yes", "y", false, "do not ask")
	cmd.Flags().StringVar(&a.key, "key", "", "the `FINGERPRINT` that the gate has printed, in place of an invitation")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if len(list) == 1 {
			a.gate = list[0]
		}
		if a.key != "" && a.gate == "" {
			return usageError{errors.New("--key is the key of one gate: name it")}
		}
		return a.run(cmd.Context())
	}
	return cmd
}

// approval lets gates in.
type approval struct {
	*signing
	gate, key string
	sure      bool
}

func (a *approval) run(ctx context.Context) error {
	d, err := openFleet(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	list, err := d.Requests(ctx, time.Now())
	if err != nil {
		return fleetAdvice(d.Folder, err)
	}
	asked := 0
	for _, q := range list {
		if q.Twice || a.gate != "" && q.Gate.Name != a.gate {
			continue
		}
		asked++
		if err := a.one(ctx, d, q); err != nil {
			return err
		}
	}
	if asked == 0 {
		what := "no gate asks to be let in"
		if a.gate != "" {
			what = fmt.Sprintf("gate %q does not ask to be let in", a.gate)
		}
		return hinted{errors.New(what), "on the gate: sallyport fleet join INVITATION"}
	}
	return nil
}

// one shows what a gate asks for, asks, and has it signed.
func (a *approval) one(ctx context.Context, d *desk.Desk, q desk.Request) error {
	g := q.Gate
	fmt.Fprintf(a.std.err, "gate         %s\nits key      %s\naddresses    %s\nport         udp/%d\ngroups       %s\n", g.Name, fingerprint(g.Key),
		orDash(strings.Join(g.Addresses, ", ")), g.Port, orDash(strings.Join(g.Groups, ", ")))
	if before, there := d.View.Gates[g.Name]; there {
		fmt.Fprintf(a.std.err, "now          in the fleet, with the key %s\n", fingerprint(before.Key))
	}
	if q.Vouched != nil && a.key != fingerprint(g.Key) {
		return hinted{q.Vouched, "if the gate prints the same key: sallyport fleet approve " + g.Name + " --key " + fingerprint(g.Key)}
	}
	if !a.sure {
		if !a.std.asks() {
			return hinted{errors.New("there is nobody to ask whether this gate is to be let in"), "with --yes it is"}
		}
		yes, err := newDialog(ctx, a.std).yes("Let this gate in?", false)
		if err != nil {
			return err
		}
		if !yes {
			fmt.Fprintf(a.std.out, "gate %q is not let in\n", g.Name)
			return nil
		}
	}
	if _, err := a.change(ctx, a.std.out, d, d.Changes(q)...); err != nil {
		return err
	}
	fmt.Fprintf(a.std.out, "gate %q is in the fleet\n", g.Name)
	a.noteSecrets(d, g.Name)
	return d.Done(ctx, q)
}

// noteSecrets says what a new gate lacks: nobody else has the secrets of clients.
func (a *approval) noteSecrets(d *desk.Desk, gate string) {
	n := 0
	for _, m := range d.View.Clients {
		if m.Secrets != [32]byte{} {
			n++
		}
	}
	if n > 0 {
		warn(a.std.err, "%s of the fleet can knock rotating sequences at other gates and not at %q: sallyport client rotate NAME --fleet gives them secrets for all", phrase.Count(n, "client"), gate)
	}
}
