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

// settle is how long changes of addresses are gathered before they are told:
// an interface that comes up brings several at once.
const settle = 5 * time.Millisecond

// Addresses returns the unicast addresses of all interfaces, sorted, each
// once and without a zone: link-local, temporary and tentative ones too, and
// those that routers keep on the loopback interface. 127.0.0.0/8 and ::1 are
// left out, for no packet from outside can reach them, and so are addresses
// that turned out to be somebody else's (duplicate address detection).
func Addresses() ([]netip.Addr, error) {
	addrs, err := dump(unix.NETLINK_ROUTE, addressRequest(), parseAddress)
	if err != nil {
		return nil, fmt.Errorf("list own addresses: %w", err)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), nil
}

// WatchAddresses calls notify with what Addresses returns, once at the start
// and then whenever that has changed; changes that come together are told
// together, milliseconds after the first. It returns when ctx ends, with the
// error of ctx, or when the kernel can no longer be asked. Notify is called
// from the calling goroutine, and may keep the slice.
func WatchAddresses(ctx context.Context, notify func([]netip.Addr)) error {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{
		Groups: unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR,
	})
	if err != nil {
		return fmt.Errorf("watch own addresses: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // ends a pending receive
	defer stop()

	// Subscribed first and read afterwards, no change falls in between.
	var last []netip.Addr
	for first := true; ; first = false {
		now, err := Addresses()
		if err != nil {
			return err
		}
		if first || !slices.Equal(now, last) {
			last = now
			notify(slices.Clone(now))
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

// await returns when something has changed, and nothing has been said about
// it for no longer than settle. What exactly changed is of no interest.
func await(conn *netlink.Conn) error {
	if err := receive(conn); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(settle)); err != nil {
		return err
	}
	for {
		err := receive(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return conn.SetReadDeadline(time.Time{})
		}
		if err != nil {
			return err
		}
	}
}

// receive takes one batch of notifications. That the kernel had to drop some
// (ENOBUFS) is a notification too: the caller reads everything again anyway.
func receive(conn *netlink.Conn) error {
	_, err := conn.Receive()
	if errors.Is(err, unix.ENOBUFS) {
		return nil
	}
	return err
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
