package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

func newBan(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ban",
		Short:   "Keep a source out for a while, or see who is kept out",
		GroupID: "server",
		Long: `A banned source reaches nothing of this host that it has not reached before, whatever it knocks;
connections under way go on. The daemon bans by itself only if [ban] in the configuration says
so, and only on evidence that cannot be forged. Trusted sources, the host itself, and whoever has opened a
door within a day are never banned. Of IPv6, the whole /64 is.`,
		Example: `  sallyport ban add 203.0.113.7 --for 24h
  sallyport ban list
  sallyport ban remove 203.0.113.7`,
		Args: args(cobra.NoArgs),
	}
	cmd.AddCommand(newBanAdd(std), newBanRemove(std), newBanList(std))
	return cmd
}

// sourceArg reads the address that a command is about.
func sourceArg(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, usageError{fmt.Errorf("%q is not an address", text)}
	}
	return a, nil
}

func newBanAdd(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "add ADDRESS",
		Short:   "Ban a source",
		Example: "  sallyport ban add 203.0.113.7 --for 24h",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	length := cmd.Flags().Duration("for", 0, "how long (default: for in [ban])")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		source, err := sourceArg(list[0])
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("for") && *length <= 0 {
			return usageError{fmt.Errorf("--for %s: want a time like 1h", *length)}
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		b, err := conn.Ban(cmd.Context(), control.BanRequest{Source: source, For: control.Duration(*length)})
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, b)
			return nil
		}
		fmt.Fprintln(std.out, banLine(b))
		return nil
	}
	return cmd
}

func newBanRemove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove ADDRESS",
		Short:   "End a ban",
		Example: "  sallyport ban remove 203.0.113.7",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		source, err := sourceArg(list[0])
		if err != nil {
			return err
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		if err := conn.Unban(cmd.Context(), control.UnbanRequest{Source: source}); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "%s is no longer banned\n", source)
		return nil
	}
	return cmd
}

func newBanList(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Show who is banned",
		Example: "  sallyport ban list --json",
		Args:    args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		list, err := conn.Bans(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			if list == nil {
				list = []event.Ban{}
			}
			printJSON(std.out, list)
			return nil
		}
		if len(list) == 0 {
			fmt.Fprintln(std.out, "Nobody is banned.")
		}
		for _, b := range list {
			fmt.Fprintln(std.out, banLine(b))
		}
		return nil
	}
	return cmd
}

func banLine(b event.Ban) string {
	return fmt.Sprintf("%s is banned until %s (%s)", b.Source, b.Until.Local().Format(time.DateTime), remaining(b.Until, time.Now()))
}
