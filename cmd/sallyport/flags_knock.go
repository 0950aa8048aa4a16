package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/sender"
)

// askFlags are the flags of every command that asks a server for something.
type askFlags struct {
	only4, only6 *bool
	identity     *string
	timeout      *time.Duration
	ask          func(path string, try int) ([]byte, error)
}

func addAskFlags(cmd *cobra.Command, std stdio) *askFlags {
	f := &askFlags{
		only4:    cmd.Flags().BoolP("ipv4", "4", false, "IPv4 only"),
		only6:    cmd.Flags().BoolP("ipv6", "6", false, "IPv6 only"),
		identity: cmd.Flags().StringP("identity", "i", "", "SSH key to use: a `FILE`, or a fingerprint SHA256:..."),
		timeout:  addDuration(cmd, "timeout", 0, "how long to wait for an answer (default: for eight tries, 7 to 15s)"),
		ask:      askOnce(func(path string, try int) ([]byte, error) { return askPassphrase(cmd.Context(), path, try) }),
	}
	cmd.MarkFlagsMutuallyExclusive("ipv4", "ipv6")
	return f
}

// options returns what the flags say.
func (f *askFlags) options() client.Options {
	opts := client.Options{Identity: *f.identity, Timeout: *f.timeout, Passphrase: f.ask}
	switch {
	case *f.only4:
		opts.Network = "ip4"
	case *f.only6:
		opts.Network = "ip6"
	}
	return opts
}

// words returns the flags as they stand on a command line.
func (f *askFlags) words() (list []string) {
	if *f.only4 {
		list = append(list, "--ipv4")
	}
	if *f.only6 {
		list = append(list, "--ipv6")
	}
	if *f.identity != "" {
		list = append(list, "--identity", *f.identity)
	}
	if *f.timeout != 0 {
		list = append(list, "--timeout", f.timeout.String())
	}
	return list
}

func (f *askFlags) family() sender.Family {
	switch {
	case *f.only4:
		return sender.IPv4
	case *f.only6:
		return sender.IPv6
	}
	return sender.Both
}

// useless refuses flags that have no meaning here, rather than ignoring them.
func useless(cmd *cobra.Command, with string, flags ...string) error {
	for _, f := range flags {
		if cmd.Flags().Changed(f) {
			return usageError{fmt.Errorf("--%s has no meaning with %s", f, with)}
		}
	}
	return nil
}
