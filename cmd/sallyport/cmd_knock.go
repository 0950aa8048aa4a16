package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
	"sallyport/internal/sender"
)

func newKnock(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "knock PROFILE [DOOR ...] | HOST PORT[/PROTO] ...",
		Short:   "Open a door",
		GroupID: "client",
		Long: `Opens doors of the server that a profile describes: with one message, signed with your SSH
key, over IPv4 and IPv6. It waits until the server says that the doors are open.

With --rotating, or a profile that has nothing else, it sends the sequence of this half minute, which
the server never answers.

With a host and ports it sends a plain sequence, one packet a knock, to every address of the
host. Such knocks are never answered: whether the door is open shows when you use it. Ports are written
tcp/7000 or udp/8000, or as for knock(1): 7000:tcp, 8000:udp, 7000.

Neither needs special rights.`,
		Example: `  sallyport knock office
  sallyport knock office db --for 20s
  sallyport knock office --rotating --wait-port 22
  sallyport knock gate.example.org tcp/7000 udp/8000 tcp/9000
  sallyport knock gate.example.org 7000 8000:udp 9000`,
		Args: args(cobra.MinimumNArgs(1)),
	}
	k := knocking{std: std, flags: addAskFlags(cmd, std)}
	k.open = addDuration(cmd, "for", 0, "how long to open (default: the door's open_for)")
	k.gap = addDuration(cmd, "gap", sender.DefaultGap, "with ports: time between two knocks")
	cmd.Flags().BoolVar(&k.single, "single", false, "let in one connection only")
	cmd.Flags().BoolVar(&k.rotating, "rotating", false, "with a rotating sequence, even if the profile has a server key")
	cmd.Flags().Uint16Var(&k.port, "wait-port", 0, "wait until this TCP `PORT` answers")
	cmd.Flags().BoolVar(&k.json, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("wait-port", "single") // trying the port would use the grant up
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if isSequence(list[1:]) {
			return k.sequence(cmd, list)
		}
		return k.profile(cmd, list[0], list[1:])
	}
	return cmd
}

// knocking is what the flags of a knock say.
type knocking struct {
	std              stdio
	flags            *askFlags
	open, gap        *time.Duration
	single, rotating bool
	port             uint16
	json             bool
}

// sequence sends the knocks that the command line lists.
func (k *knocking) sequence(cmd *cobra.Command, list []string) error {
	if err := useless(cmd, "a sequence", "for", "single", "identity", "timeout", "rotating"); err != nil {
		return err
	}
	if err := sendSequence(cmd, k.std.out, list, sender.Options{Gap: *k.gap, Family: k.flags.family()}, k.json); err != nil {
		return err
	}
	return waitPort(cmd.Context(), k.std.err, list[0], k.port, k.flags.family())
}

// profile knocks as a profile says: with a message, or with a rotating sequence.
func (k *knocking) profile(cmd *cobra.Command, name string, doors []string) error {
	if err := useless(cmd, "a profile", "gap"); err != nil {
		return err
	}
	if cmd.Flags().Changed("for") && (*k.open < time.Second || *k.open%time.Second != 0) {
		return usageError{fmt.Errorf("--for %s: want whole seconds, such as 30s or 10m", phrase.Duration(*k.open))}
	}
	profile, err := loadProfile(name)
	if err != nil {
		return err
	}
	opts := k.flags.options()
	opts.Doors, opts.For, opts.Single = doors, *k.open, k.single
	if k.rotating || profile.ServerKey == "" {
		if err := useless(cmd, "a rotating sequence", "for", "single", "identity", "timeout"); err != nil {
			return err
		}
		err = knockRotating(cmd.Context(), k.std, profile, opts, k.json)
	} else {
		err = knockMessage(cmd.Context(), k.std, profile, opts, k.json)
	}
	if err != nil {
		return err
	}
	return waitPort(cmd.Context(), k.std.err, profile.Host, k.port, k.flags.family())
}

// knockMessage sends messages and reports what the server has opened.
func knockMessage(ctx context.Context, std stdio, p *client.Profile, opts client.Options, asJSON bool) error {
	result, err := client.Knock(ctx, p, opts)
	if asJSON && (err == nil || len(result.Grants) > 0) {
		printJSON(std.out, resultJSON(result))
	} else {
		printOpened(std.out, result)
	}
	noteShorter(std.err, opts.For, result)
	warnOf(std.err, p, result)
	return err
}

// noteShorter says where a server has opened for less than was asked. It cuts
// to whole seconds, so a second is no difference.
func noteShorter(w io.Writer, asked time.Duration, r client.Result) {
	for _, g := range r.Grants {
		if g.For < asked-time.Second {
			note(w, "asked for %s, and door %q is open for %s: the server lets this client have no more (max_open)", phrase.Duration(asked), g.Door, phrase.Duration(g.For))
		}
	}
}

// isSequence tells ports from the names of doors.
func isSequence(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return strings.ContainsAny(w, "/:") || strings.Trim(w, "0123456789") == ""
	})
}

// parseKnock reads a port as we write it, or as knock(1) does: "7000:udp", and
// "7000" for TCP.
func parseKnock(word string) (packet.Port, error) {
	if number, proto, ok := strings.Cut(word, ":"); ok {
		return packet.ParsePort(proto + "/" + number)
	}
	if !strings.Contains(word, "/") && strings.Trim(word, "0123456789") == "" {
		word = "tcp/" + word
	}
	return packet.ParsePort(word)
}

// sendSequence sends plain knocks.
func sendSequence(cmd *cobra.Command, w io.Writer, list []string, opts sender.Options, asJSON bool) error {
	opts.Host = list[0]
	for _, word := range list[1:] {
		port, err := parseKnock(word)
		if err != nil {
			return usageError{err}
		}
		opts.Sequence = append(opts.Sequence, port)
	}
	attempts, err := sender.Send(cmd.Context(), opts)
	if asJSON {
		printJSON(w, attempts)
	} else {
		printAttempts(w, attempts)
	}
	return err
}

func printAttempts(w io.Writer, attempts []sender.Attempt) {
	for _, a := range attempts {
		fmt.Fprintf(w, "%s: sent %s", a.Address, phrase.Count(len(a.Sent), "knock"))
		if a.Problem != "" {
			fmt.Fprintf(w, ", then stopped: %s", a.Problem)
		}
		fmt.Fprintln(w)
	}
}

// sentJSON is a rotating sequence for programs.
type sentJSON struct {
	Door   string    `json:"door"`
	Server string    `json:"server"`
	Knocks int       `json:"knocks"`
	Again  time.Time `json:"again"` // when the door can be knocked at again this way
}

// knockRotating sends rotating sequences and reports where to.
func knockRotating(ctx context.Context, std stdio, p *client.Profile, opts client.Options, asJSON bool) error {
	sent, err := sendWhenUnused(ctx, std.err, p, opts)
	if asJSON {
		list := []sentJSON{}
		for _, s := range sent {
			list = append(list, sentJSON{s.Door, s.Server.String(), s.Knocks, s.Again})
		}
		printJSON(std.out, list)
		return err
	}
	for _, s := range sent {
		fmt.Fprintf(std.out, "%s: sent %s for door %q; the next sequence for it can be sent from %s on\n",
			s.Server, phrase.Count(s.Knocks, "knock"), s.Door, s.Again.Local().Format(time.TimeOnly))
	}
	return err
}
