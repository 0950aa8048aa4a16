package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/phrase"
)

// durationFlag is a duration on the command line: every one is written alike.
type durationFlag time.Duration

// addDuration adds a flag that takes a TIME.
func addDuration(cmd *cobra.Command, name string, otherwise time.Duration, usage string) *time.Duration {
	f := durationFlag(otherwise)
	cmd.Flags().Var(&f, name, usage)
	return (*time.Duration)(&f)
}

// Set implements pflag.Value.
func (d *durationFlag) Set(s string) error {
	v, err := phrase.ParseDuration(s)
	if err == nil {
		*d = durationFlag(v)
	}
	return err
}

// String implements pflag.Value. Nothing is no default that help would show.
func (d *durationFlag) String() string {
	if *d == 0 {
		return ""
	}
	return phrase.Duration(time.Duration(*d))
}

// Type implements pflag.Value.
func (d *durationFlag) Type() string { return "TIME" }

// addressFlag is an address on the command line. The zero value is none.
type addressFlag struct{ netip.Addr }

// Set implements pflag.Value.
func (f *addressFlag) Set(s string) (err error) {
	f.Addr, err = parseAddress(s)
	return err
}

// Type implements pflag.Value.
func (f *addressFlag) Type() string { return "ADDRESS" }

// String implements pflag.Value.
func (f *addressFlag) String() string {
	if !f.IsValid() {
		return ""
	}
	return f.Addr.String()
}

func sourceFlag(cmd *cobra.Command) *addressFlag {
	f := new(addressFlag)
	cmd.Flags().Var(f, "source", "the source `ADDRESS`; me: where this SSH session comes from")
	return f
}

// thisSession is the word for the address that the SSH session comes from.
const thisSession = "me"

var (
	errAddress = errors.New(`want an address such as 192.0.2.7 or 2001:db8::7`)
	errSource  = errors.New(`want an address such as 192.0.2.7, or a prefix such as 2001:db8::/32`)
	errSession = errors.New("this is not an SSH session: name the address")
)

// parseAddress reads one address, or "me", and says what else was given.
func parseAddress(text string) (netip.Addr, error) {
	if text == thisSession {
		return sessionSource()
	}
	a, err := netip.ParseAddr(text)
	if err == nil {
		return a, nil
	}
	if _, err := netip.ParsePrefix(text); err == nil {
		return a, errors.New("this is a prefix, and one address is wanted: name an address in it")
	}
	if looksLikeHost(text) {
		return a, errors.New("this is a name, and an address is wanted: look it up with getent hosts " + text)
	}
	return a, errAddress
}

// parseSource reads an address or a prefix, or "me".
func parseSource(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked(), nil
	}
	addr, err := parseAddress(text)
	if errors.Is(err, errAddress) {
		err = errSource
	}
	if err != nil {
		return netip.Prefix{}, err
	}
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// sourceArg reads the address that a command is about.
func sourceArg(text string) (netip.Addr, error) {
	a, err := parseAddress(text)
	if err != nil {
		return a, usageError{fmt.Errorf("%q: %w", text, err)}
	}
	return a, nil
}

// looksLikeHost reports whether a text may be the name of a host.
func looksLikeHost(text string) bool {
	if net.ParseIP(text) != nil || !strings.Contains(text, ".") || len(text) > 253 {
		return false
	}
	letters := false
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z':
			letters = true
		case r >= '0' && r <= '9', r == '.', r == '-':
		default:
			return false
		}
	}
	return letters
}
