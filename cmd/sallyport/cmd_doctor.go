package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/phrase"
	"sallyport/internal/sender"
	"sallyport/internal/sequence"
	"sallyport/internal/sntp"
)

func newDoctor(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor PROFILE",
		Short:   "Find out why a door does not open",
		GroupID: "client",
		Long: `Looks at everything on this side that has to be right, and then knocks. Each line says ok, or
what to do.`,
		Example: "  sallyport doctor office\n  sallyport doctor office --ntp off",
		Args:    args(cobra.ExactArgs(1)),
	}
	flags := addAskFlags(cmd, std)
	ntp := cmd.Flags().String("ntp", "pool.ntp.org", "time server, a `HOST`, to compare the clock with; off: none")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		profile, err := loadProfile(list[0])
		d := doctor{out: screenOf(std.out), profile: profile, opts: flags.options(), family: flags.family()}
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
	out     screen
	profile *client.Profile
	opts    client.Options
	family  sender.Family
	size    int // of a message, without the headers of UDP and IP
	failed  int
}

// say prints a finding: what is well, or what is not and what to do.
func (d *doctor) say(what, well string, err error) {
	if err == nil {
		d.line(green, "ok", what, well)
		return
	}
	d.failed++
	d.line(alarm, "FAIL", what, err.Error())
	d.hint(err)
}

// warn prints what may be a problem, and need not be one.
func (d *doctor) warn(what string, err error) {
	d.line(yellow, "warn", what, err.Error())
	d.hint(err)
}

// line prints one verdict.
func (d *doctor) line(color, verdict, what, text string) {
	d.out.prose(color, fmt.Sprintf("%-5s %-8s ", verdict, what), text)
}

func (d *doctor) hint(err error) {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		d.line("", "", "", hinted.Hint())
	}
}

func (d *doctor) examine(ctx context.Context, ntp string) {
	addrs, err := d.resolve(ctx)
	d.say("name", fmt.Sprintf("%s is %s", d.profile.Host, joined(addrs)), err)
	if ntp != "off" {
		d.clock(ctx, ntp)
	}
	if d.profile.ServerKey != "" {
		d.key(ctx, addrs)
	} else {
		d.say("secret", fmt.Sprintf("rotating sequences of %s for %s", phrase.Count(d.profile.Shape.Knocks, "knock"), strings.Join(d.profile.Doors, ", ")), nil)
	}
	switch {
	case d.failed > 0:
		d.line("", "", "knock", "left out: see above")
	case d.profile.ServerKey != "":
		d.knock(ctx, addrs)
	default:
		d.sequence(ctx)
	}
}

// clock compares the clock with a time server. Many networks let nobody ask
// one, which says nothing about the clock; the server will, if it answers.
func (d *doctor) clock(ctx context.Context, ntp string) {
	ctx, cancel := context.WithTimeout(ctx, clockPatience)
	defer cancel()
	offset, err := sntp.Offset(ctx, ntp)
	if err != nil {
		d.warn("clock", hinted{fmt.Errorf("unknown: ask %s for the time: %w", ntp, sender.Cause(err)), "many networks do not let that pass; --ntp HOST asks another time server, --ntp off none"})
		return
	}
	d.say("clock", fmt.Sprintf("%s off, by %s", phrase.Duration(offset.Abs().Round(time.Millisecond)), ntp), d.judgeClock(offset))
}

// clockPatience is how long a time server and its name are waited for.
const clockPatience = 3 * time.Second

// key looks for the SSH key, and whether its messages fit the way.
func (d *doctor) key(ctx context.Context, addrs []netip.Addr) {
	key, err := client.FindKey(ctx, d.profile, d.opts)
	d.say("key", fmt.Sprintf("%s %s from %s", key.Type, key.Fingerprint, key.From), err)
	if err != nil {
		return
	}
	d.size = key.Size
	for _, a := range addrs {
		d.say("size", fmt.Sprintf("a message to %s is one packet of %d bytes", a, d.size+overhead(a)), checkSize(a, d.profile.Port, d.size))
	}
}

// knock makes a real knock.
func (d *doctor) knock(ctx context.Context, addrs []netip.Addr) {
	r, err := client.Knock(ctx, d.profile, d.opts)
	d.say("knock", fmt.Sprintf("%s, answered in %s", opened(r), milliseconds(r.Took)), d.explain(err, addrs))
	if err != nil {
		return
	}
	d.say("clock", fmt.Sprintf("%s off, by the server", phrase.Duration(r.Clock.Abs().Round(time.Millisecond))), d.judgeClock(r.Clock))
	if r.OldKey {
		d.say("server", "", hinted{errors.New("the server is changing its key"), "fetch the profile again before the old key ends"})
	}
}

// explain gives silence the hint that fits what has been found so far, and
// leaves alone what already has a better one: whatever the network said.
func (d *doctor) explain(err error, addrs []netip.Addr) error {
	var none *client.NoAnswerError
	if !errors.As(err, &none) || none.Problem != nil || len(none.Asked) == 0 {
		return err
	}
	for _, a := range addrs { // routers may have spoken while the knock waited
		if tooLarge := checkSize(a, d.profile.Port, d.size); tooLarge != nil {
			return tooLarge
		}
	}
	return hinted{err, fmt.Sprintf(`this side is well. Look at the server (sallyport status there):
  - that UDP to port %d is let through to it, also by the packet filter of its provider
  - that it knows the key above, and lets it open this door, from here and now
  - that its key is the one of the profile
  - that the path carries packets of %d bytes, if there is a tunnel in it`, d.profile.Port, none.Size)}
}

// sequence sends the rotating sequence, which nobody answers.
func (d *doctor) sequence(ctx context.Context) {
	sent, err := client.KnockRotating(ctx, d.profile, d.opts)
	if errors.As(err, new(*client.UsedStepError)) {
		d.warn("knock", err)
		return
	}
	well := make([]string, len(sent))
	for i, s := range sent {
		well[i] = fmt.Sprintf("sent %s to %s for door %q", phrase.Count(s.Knocks, "knock"), s.Server, s.Door)
	}
	d.say("knock", strings.Join(well, "; ")+". Nobody answers sequences: connect now to see whether the door is open", err)
}

func opened(r client.Result) string {
	doors := make([]string, len(r.Grants))
	for i, g := range r.Grants {
		doors[i] = fmt.Sprintf("door %q is open for %s (%s)", g.Door, g.Source, phrase.Duration(g.For))
	}
	return strings.Join(doors, "; ")
}

func (d *doctor) resolve(ctx context.Context) ([]netip.Addr, error) {
	addrs, err := sender.Resolve(ctx, d.profile.Host, d.family)
	if err != nil {
		return nil, hinted{err, "check the host in the profile, and the network of this computer"}
	}
	return addrs, nil
}

// judgeClock says whether the clock is good enough for the server. offset is by
// how much it is behind.
func (d *doctor) judgeClock(offset time.Duration) error {
	tolerance := d.profile.Skew
	switch {
	case d.profile.ServerKey == "":
		tolerance = sequence.Period
	case tolerance == 0:
		tolerance = client.DefaultSkew
	}
	if offset.Abs() < tolerance {
		return nil
	}
	direction := "behind"
	if offset < 0 {
		direction = "ahead"
	}
	return hinted{fmt.Errorf("this clock is %s %s, and the server tolerates %s", phrase.Duration(offset.Abs().Round(time.Second)), direction, phrase.Duration(tolerance)),
		"set the clock of this host; have it kept right by NTP"}
}

func joined(addrs []netip.Addr) string {
	list := make([]string, len(addrs))
	for i, a := range addrs {
		list[i] = a.String()
	}
	return strings.Join(list, ", ")
}

// overhead is the size of the headers of UDP and IP.
func overhead(a netip.Addr) int {
	if a.Is4() {
		return 20 + 8
	}
	return 40 + 8
}

// checkSize reports whether a message fits the route that it takes, as far as
// this host knows: the interface, the route's own limit, and what routers have
// said of late. What lies beyond shows only in a knock.
func checkSize(to netip.Addr, port uint16, size int) error {
	mtu, err := routeMTU(netip.AddrPortFrom(to, port))
	if err != nil {
		return hinted{fmt.Errorf("this host has no route to %s: %w", to, err), "check the network of this computer, or use one family: -4, -6"}
	}
	if mtu == 0 || size+overhead(to) <= mtu {
		return nil
	}
	return hinted{fmt.Errorf("a message to %s has %d bytes, and the route carries %d", to, size+overhead(to), mtu),
		"raise the MTU of the interface or the tunnel, or have the server use the suite x25519"}
}
