package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// parseWhen reads a point in time: so long ago ("30m", "2h", "7d", "2w"), a
// date or a date and time here, or RFC 3339. No text is no time.
func parseWhen(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, ok := parseAgo(text); ok {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf(`%s %q: want how long ago, such as 30m, 2h or 7d, or a time such as 2026-03-01, "2026-03-01 12:30" or 2026-03-01T12:30:00Z`, flag, text)
}

// parseAgo reads a duration that may be in days or weeks, too.
func parseAgo(text string) (time.Duration, bool) {
	for unit, each := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseUint(number, 10, 16)
			return time.Duration(n) * each, err == nil && n <= 36500
		}
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}

// noneEmpty refuses flags with nothing in them, which would restrict nothing:
// most likely a variable of a script was not set.
func noneEmpty(cmd *cobra.Command, _ []string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if v := f.Value.String(); err == nil && (v == "" || v == "[]") {
			err = usageError{fmt.Errorf("--%s is empty", f.Name)}
		}
	})
	return err
}

func unknownWord[T ~string](flag, word string, known []T) error {
	list := make([]string, len(known))
	for i, k := range known {
		list[i] = string(k)
	}
	return hinted{fmt.Errorf("%s %q is not known", flag, word), "known are: " + strings.Join(list, ", ")}
}

// parseSource reads an address or a prefix.
func parseSource(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, errors.New(`want an address such as "192.0.2.7", or a prefix such as "2001:db8::/32"`)
	}
	return prefix.Masked(), nil
}

// addressFlag is an address on the command line. The zero value is none.
type addressFlag struct{ netip.Addr }

func (f *addressFlag) Set(s string) (err error) {
	f.Addr, err = netip.ParseAddr(s)
	return err
}

func (f *addressFlag) Type() string { return "address" }

func (f *addressFlag) String() string {
	if !f.IsValid() {
		return ""
	}
	return f.Addr.String()
}

func sourceFlag(cmd *cobra.Command) *addressFlag {
	f := new(addressFlag)
	cmd.Flags().Var(f, "source", "the source `ADDRESS`")
	return f
}

// dayFlag is a duration that can be given in days.
type dayFlag time.Duration

func (d *dayFlag) Set(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		const bits = 12 // 4,095 days
		n, err := strconv.ParseUint(days, 10, bits)
		*d = dayFlag(time.Duration(n) * 24 * time.Hour)
		if err != nil {
			return errors.New("want a time such as 12h or 30d, at most 4095d")
		}
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return errors.New("want a time such as 12h or 30d")
	}
	*d = dayFlag(v)
	return nil
}

func (d *dayFlag) String() string {
	if v := time.Duration(*d); v%(24*time.Hour) != 0 {
		return v.String()
	}
	return strconv.FormatInt(int64(time.Duration(*d)/(24*time.Hour)), 10) + "d"
}

func (d *dayFlag) Type() string { return "duration" }

// cutUser splits "alice@office".
func cutUser(s string) (user, name string, found bool) {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}
