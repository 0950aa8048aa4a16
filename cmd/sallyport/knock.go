package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sallyport/internal/knock"
	"sallyport/internal/packet"
)

func newKnock(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "knock HOST tcp/PORT udp/PORT ...",
		Short:   "Send a sequence of knocks",
		GroupID: "client",
		Long: `Sends a sequence, one packet a knock, to every address of the host. Needs no special rights.

Knocks are never answered: whether the door is open shows when you use it.`,
		Example: "  sallyport knock gate.example.org tcp/7000 udp/8000 tcp/9000 && ssh gate.example.org",
		Args:    args(cobra.MinimumNArgs(2)),
	}
	gap := cmd.Flags().Duration("gap", knock.DefaultGap, "time between two knocks")
	only4 := cmd.Flags().BoolP("ipv4", "4", false, "IPv4 only")
	only6 := cmd.Flags().BoolP("ipv6", "6", false, "IPv6 only")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("ipv4", "ipv6")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		opts := knock.Options{Host: list[0], Gap: *gap}
		switch {
		case *only4:
			opts.Family = knock.IPv4
		case *only6:
			opts.Family = knock.IPv6
		}
		for _, word := range list[1:] {
			port, err := packet.ParsePort(word)
			if err != nil {
				return usageError{err}
			}
			opts.Sequence = append(opts.Sequence, port)
		}
		attempts, err := knock.Send(cmd.Context(), opts)
		if *asJSON {
			printJSON(std.out, attempts)
		} else {
			printAttempts(std.out, attempts)
		}
		return err
	}
	return cmd
}

func printAttempts(w io.Writer, attempts []knock.Attempt) {
	for _, a := range attempts {
		fmt.Fprintf(w, "%s: sent %s", a.Address, count(len(a.Sent), "knock"))
		if a.Problem != "" {
			fmt.Fprintf(w, ", then stopped: %s", a.Problem)
		}
		fmt.Fprintln(w)
	}
}
