package netstate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// settle is how long changes of addresses are gathered before they are
// reported: an interface that comes up brings several at once.
const settle = 5 * time.Millisecond

// Addresses returns what the kernel delivers to this host: the unicast
// addresses of all interfaces, sorted, each once and without a zone
// (link-local, temporary and tentative ones too, and those that routers keep on
// the loopback interface), and what is its own by a route of type local only,
// as agents of cloud providers make them for load balancers. 127.0.0.0/8 and
// ::1 are left out, for no packet from outside can reach them, and so are
// addresses that turned out to be another host's (duplicate address detection).
func Addresses() (Own, error) {
	addrs, err := dump(unix.NETLINK_ROUTE, addressRequest(), parseAddress)
	if err != nil {
		return Own{}, fmt.Errorf("list own addresses: %w", err)
	}
	routes, err := localRoutes()
	if err != nil {
		return Own{}, fmt.Errorf("list own addresses: %w", err)
	}
	var own Own
	for _, p := range routes {
		if p.IsSingleIP() {
			addrs = append(addrs, p.Addr())
		} else {
			own.Prefixes = append(own.Prefixes, p)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	own.Addresses = slices.Compact(addrs)
	slices.SortFunc(own.Prefixes, netip.Prefix.Compare)
	own.Prefixes = slices.Compact(own.Prefixes)
	return own, nil
}

// WatchAddresses calls notify with what Addresses returns, once at the start
// and then whenever that has changed; changes that come together are reported
// together, milliseconds after the first. It returns when ctx ends, with the
// error of ctx, or when the kernel can no longer be asked. Notify is called
// from the calling goroutine, and may keep the slices.
func WatchAddresses(ctx context.Context, notify func(Own)) error {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{
		Groups: unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE,
	})
	if err != nil {
		return fmt.Errorf("watch own addresses: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // ends a pending receive
	defer stop()

	// Subscribed first and read afterwards, no change falls in between.
	var last Own
	for first := true; ; first = false {
		now, err := Addresses()
		if err != nil {
			return err
		}
		if first || !now.equal(last) {
			last = now
			notify(Own{slices.Clone(now.Addresses), slices.Clone(now.Prefixes)})
		}
		err = await(conn)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("watch own addresses: %w", err)
		}
	}
}

// await returns when something has changed, and what follows within settle has
// been taken too. What exactly changed is of no interest.
func await(conn *netlink.Conn) error {
	for concerns := false; !concerns; {
		var err error
		if concerns, err = receive(conn); err != nil {
			return err
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(settle)); err != nil {
		return err
	}
	for {
		_, err := receive(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return conn.SetReadDeadline(time.Time{})
		}
		if err != nil {
			return err
		}
	}
}

// receive takes one batch of notifications, and reports whether one of them
// concerns us: a router hears of other routes all day. That the kernel had to
// drop some (ENOBUFS) is a notification too: everything is read again anyway.
func receive(conn *netlink.Conn) (concerns bool, err error) {
	messages, err := conn.Receive()
	if errors.Is(err, unix.ENOBUFS) {
		return true, nil
	}
	return slices.ContainsFunc(messages, func(m netlink.Message) bool {
		switch m.Header.Type {
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			_, ok, err := parseRoute(m.Data)
			return ok || err != nil
		}
		return true
	}), err
}

// addressRequest asks for all addresses of both families (struct ifaddrmsg).
func addressRequest() netlink.Message {
	return netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETADDR},
		Data:   make([]byte, unix.SizeofIfAddrmsg),
	}
}

// parseAddress reads one struct ifaddrmsg and its attributes. IFA_LOCAL is
// our own end of the link; without it IFA_ADDRESS is (rtnetlink(7)).
func parseAddress(data []byte) (addr netip.Addr, ok bool, err error) {
	if len(data) < unix.SizeofIfAddrmsg {
		return addr, false, errShort
	}
	attrs, err := netlink.NewAttributeDecoder(data[unix.SizeofIfAddrmsg:])
	if err != nil {
		return addr, false, err
	}
	flags := uint32(data[2])
	var local, address []byte
	for attrs.Next() {
		switch attrs.Type() {
		case unix.IFA_LOCAL:
			local = attrs.Bytes()
		case unix.IFA_ADDRESS:
			address = attrs.Bytes()
		case unix.IFA_FLAGS:
			flags = attrs.Uint32()
		}
	}
	if err := attrs.Err(); err != nil {
		return addr, false, err
	}
	if local == nil {
		local = address
	}
	addr, ok = netip.AddrFromSlice(local)
	return addr, ok && !addr.IsLoopback() && flags&unix.IFA_F_DADFAILED == 0, nil
}
