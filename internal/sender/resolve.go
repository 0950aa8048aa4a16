package sender

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Family says which addresses of a host to knock at.
type Family int

// The families.
const (
	Both Family = iota
	IPv4
	IPv6
)

// String returns "IPv4", "IPv6", or "IP" for both.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "IPv4"
	case IPv6:
		return "IPv6"
	}
	return "IP"
}

func (f Family) has(a netip.Addr) bool {
	return f == Both || (f == IPv4) == a.Is4()
}

// Resolve returns the addresses of a host in the wanted family, each once,
// IPv4 first and otherwise in the order of the system's resolver. An address
// is its own, with its zone.
func Resolve(ctx context.Context, host string, family Family) ([]netip.Addr, error) {
	found, err := lookup(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("find the address of %q: %w", host, Cause(err))
	}
	addrs := order(found, family)
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%q has no %s address", host, family)
	}
	return addrs, nil
}

// Cause returns what went wrong with a connection or a name in a few words. What package
// net says of its own doings before that ("dial tcp ...: connect: ") stays inside.
func Cause(err error) error {
	var (
		name *net.DNSError
		call *os.SyscallError
	)
	op, nets := err.(*net.OpError) // and not a sentence of ours around one
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return plainError{"there is no such name", err}
	case errors.As(err, &name):
		return plainError{"no name server answers", err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return plainError{"no answer in time", err}
	case nets && errors.As(err, &call):
		return plainError{call.Err.Error(), err}
	case nets:
		return plainError{op.Err.Error(), err}
	}
	return err
}

// plainError says in other words what an error means, and is that error.
type plainError struct {
	text string
	error
}

func (e plainError) Error() string { return e.text }
func (e plainError) Unwrap() error { return e.error }

// lookup takes addresses as they are, with their zone, and asks the system
// for names. What looks like an IPv4 address but is not written as one never
// gets there: some resolvers would read 010.1.1.1 as 8.1.1.1.
func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	host, err := ASCII(host)
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		if endsInNumber(host) {
			return nil, fmt.Errorf("not an address: %w", err)
		}
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}
	if addr.Is6() && addr.IsLinkLocalUnicast() && addr.Zone() == "" {
		return nil, fmt.Errorf("a link-local address needs an interface: write %s%%eth0", addr)
	}
	return []netip.Addr{addr}, nil
}

// endsInNumber reports whether the last label of a name is a number, which
// no domain name has (RFC 3696, section 2) and every IPv4 address does.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(strings.ToLower(last), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

func order(found []netip.Addr, family Family) []netip.Addr {
	var v4, v6 []netip.Addr
	for _, a := range found {
		a = a.Unmap()
		switch {
		case !family.has(a) || slices.Contains(v4, a) || slices.Contains(v6, a):
		case a.Is4():
			v4 = append(v4, a)
		default:
			v6 = append(v6, a)
		}
	}
	return append(v4, v6...)
}

// zoneIndex finds the interface that the zone of a link-local address names,
// by name or by number.
func zoneIndex(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	link, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, err
	}
	return uint32(link.Index), nil
}
