//go:build linux && !client_only

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/fleet/roll"
)

func newFleetOperatorAdd(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME --key FILE|-",
		Short: "Let another person sign",
		Long: `Adds an operator, who may then sign everything that you may, and can remove you. The key is a FIDO2 key, unless
you say --allow-software-key. With --recovery the recovery key signs, for when no operator is left
who could.`,
		Example: "  sallyport fleet operator add bob --key bob.pub\n  sallyport fleet operator add bob --key bob.pub --recovery",
		Args:    args(cobra.ExactArgs(1)),
	}
	s := signingFlags(cmd, std)
	file := cmd.Flags().String("key", "", "public key `FILE`, or - for standard input")
	software := cmd.Flags().Bool("allow-software-key", false, "the key need not be a FIDO2 key")
	cmd.Flags().BoolVar(&s.recovery, "recovery", false, "sign with the recovery key, from paper")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if *file == "" {
			return usageError{hinted{errors.New("--key is needed"), "usage: " + cmd.UseLine()}}
		}
		text, err := readKey(std.in, *file)
		if err != nil {
			return err
		}
		k, err := config.ParseKey(text)
		if err != nil {
			return fmt.Errorf("the key: %w", err)
		}
		o, err := operatorOf(list[0], k, *software)
		if err != nil {
			return err
		}
		return s.simply(cmd.Context(), roll.OperatorAdd{Operator: o})
	}
	return cmd
}

func newFleetOperatorRemove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Let a person sign no more",
		Long: `Removes an operator. What that operator has signed stays in force. The last operator cannot be removed: add
another one first.`,
		Example: "  sallyport fleet operator remove bob",
		Args:    args(cobra.ExactArgs(1)),
	}
	s := signingFlags(cmd, std)
	cmd.Flags().BoolVar(&s.recovery, "recovery", false, "sign with the recovery key, from paper")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		return s.simply(cmd.Context(), roll.OperatorRemove{Name: list[0]})
	}
	return cmd
}

func newFleetRemove(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove GATE",
		Short: "Take a gate out of the fleet",
		Long: `Takes a gate out of the roll: what it says counts no more, and it gives nothing to clients of the fleet. Its own
clients and doors stay as they are. With its files no more can be done than that gate could do; the rotating
secrets that it had are worth nothing at other gates.`,
		Example: "  sallyport fleet remove tokyo-1",
		Args:    args(cobra.ExactArgs(1)),
	}
	s := signingFlags(cmd, std)
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		return s.simply(cmd.Context(), roll.GateRemove{Name: list[0]})
	}
	return cmd
}

// simply makes changes, and prints them.
func (s *signing) simply(ctx context.Context, changes ...roll.Change) error {
	d, err := openFleet(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = s.change(ctx, s.std.out, d, changes...)
	if err != nil {
		return err
	}
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[i] = c.String()
	}
	fmt.Fprintln(s.std.out, strings.Join(lines, "\n"))
	return nil
}
