package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/sender"
	"sallyport/internal/sntp"
)

func newDoctor(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor PROFILE",
		Short:   "Find out why a door does not open",
		GroupID: "client",
		Long: `Looks at everything on this side that has to be right, and then knocks. Each line says ok, or
what to do.`,
		Args: args(cobra.ExactArgs(1)),
	}
	flags := addAskFlags(cmd, std)
	ntp := cmd.Flags().String("ntp", "pool.ntp.org", "time server to compare the clock with; off: none")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		profile, err := loadProfile(list[0])
		d := doctor{out: std.out, profile: profile, opts: flags.options(), family: flags.family()}
		d.say("profile", "complete", err)
		if err == nil {
			d.examine(cmd.Context(), *ntp)
		}
		if d.failed > 0 {
			return errSilent
		}
		return nil
	}
	return cmd
}

// doctor examines a profile and what it needs, one line each.
type doctor struct {
	out     io.Writer
	profile *client.Profile
	opts    client.Options
	family  sender.Family
	failed  int
}

// say prints a finding: what is well, or what is not and what to do.
func (d *doctor) say(what, well string, err error) {
	if err == nil {
		fmt.Fprintf(d.out, "ok    %-8s %s\n", what, well)
		return
	}
	d.failed++
	fmt.Fprintf(d.out, "FAIL  %-8s %v\n", what, err)
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		fmt.Fprintf(d.out, "      %-8s %s\n", "", strings.ReplaceAll(hinted.Hint(), "\n", "\n               "))
	}
}

func (d *doctor) examine(ctx context.Context, ntp string) {
	addrs, err := d.resolve(ctx)
	d.say("name", fmt.Sprintf("%s is %s", d.profile.Host, joined(addrs)), err)
	if ntp != "off" {
		offset, err := sntp.Offset(ctx, ntp)
		d.say("clock", fmt.Sprintf("%s off, by %s", offset.Abs().Round(time.Millisecond), ntp), d.judgeClock(ntp, offset, err))
	}
	key, err := client.FindKey(ctx, d.profile, d.opts)
	d.say("key", fmt.Sprintf("%s %s from %s", key.Type, key.Fingerprint, key.From), err)
	if err == nil {
		for _, a := range addrs {
			a = a.Unmap()
			d.say("size", fmt.Sprintf("a message to %s is one packet of %d bytes", a, key.Size+overhead(a)), checkSize(a, d.profile.Port, key.Size))
		}
	}
	if d.failed > 0 {
		fmt.Fprintln(d.out, "      knock    left out: see above")
		return
	}
	d.knock(ctx)
}

// knock makes a real knock.
func (d *doctor) knock(ctx context.Context) {
	r, err := client.Knock(ctx, d.profile, d.opts)
	var none *client.NoAnswerError
	if errors.As(err, &none) {
		err = hinted{err, fmt.Sprintf("this side is well. Look at the server: sallyport status, and that UDP to port %d is let through to it, that it knows the key above, and that its key is the one of the profile", d.profile.Port)}
	}
	well := ""
	for i, g := range r.Grants {
		if i > 0 {
			well += "; "
		}
		well += fmt.Sprintf("door %q is open for %s (%s)", g.Door, g.Source, g.For)
	}
	d.say("knock", fmt.Sprintf("%s, answered in %s", well, milliseconds(r.Took)), err)
	if err == nil && r.OldKey {
		d.say("server", "", hinted{errors.New("the server is changing its key"), "fetch the profile again before the old key ends"})
	}
}

func (d *doctor) resolve(ctx context.Context) ([]netip.Addr, error) {
	addrs, err := sender.Resolve(ctx, d.profile.Host, d.family)
	if err != nil {
		return nil, hinted{err, "check the host in the profile, and the network of this computer"}
	}
	return addrs, nil
}

// judgeClock says whether the clock is good enough for the server.
func (d *doctor) judgeClock(ntp string, offset time.Duration, err error) error {
	if err != nil {
		return hinted{fmt.Errorf("ask %s for the time: %w", ntp, err), "--ntp HOST asks another time server, --ntp off none"}
	}
	skew := d.profile.Skew
	if skew == 0 {
		skew = client.DefaultSkew
	}
	if offset.Abs() < skew {
		return nil
	}
	direction := "behind"
	if offset < 0 {
		direction = "ahead"
	}
	return hinted{fmt.Errorf("this clock is %s %s, and the server tolerates %s", offset.Abs().Round(time.Second), direction, skew),
		"set the clock of this host; have it kept right by NTP"}
}

func joined(addrs []netip.Addr) string {
	list := make([]string, len(addrs))
	for i, a := range addrs {
		list[i] = a.Unmap().String()
	}
	return strings.Join(list, ", ")
}

// overhead is the size of the headers of UDP and IP.
func overhead(a netip.Addr) int {
	if a.Unmap().Is4() {
		return 20 + 8
	}
	return 40 + 8
}

// checkSize tells whether a message fits the interface that it leaves by. What
// lies beyond shows only in a knock.
func checkSize(to netip.Addr, port uint16, size int) error {
	local := localAddress(netip.AddrPortFrom(to, port))
	if !local.IsValid() {
		return hinted{fmt.Errorf("this host has no route to %s", to), "check the network of this computer, or use one family: -4, -6"}
	}
	mtu := mtuOf(local)
	if mtu == 0 || size+overhead(to) <= mtu {
		return nil
	}
	return hinted{fmt.Errorf("a message to %s has %d bytes, and the interface carries %d", to, size+overhead(to), mtu),
		"raise the MTU of the interface, or have the server use the suite x25519"}
}

// mtuOf returns the MTU of the interface with an address, or 0 if unknown.
func mtuOf(local netip.Addr) int {
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && prefix.Addr().Unmap() == local.Unmap().WithZone("") {
				return i.MTU
			}
		}
	}
	return 0
}
