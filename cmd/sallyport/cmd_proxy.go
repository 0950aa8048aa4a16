package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sallyport/client"
)

func newProxy(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "proxy PROFILE HOST PORT",
		Short:   "Open the door and connect standard input and output, for ssh's ProxyCommand",
		GroupID: "client",
		Example: `  ssh -o "ProxyCommand sallyport proxy office %h %p" gate.example.org`,
		Args:    args(cobra.ExactArgs(3)),
	}
	flags := addAskFlags(cmd, std)
	door := cmd.Flags().StringArray("door", nil, "the `DOOR` to open (default: the profile's first one)")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		profile, err := loadProfile(list[0])
		if err != nil {
			return err
		}
		if n, err := strconv.ParseUint(list[2], 10, 16); err != nil || n == 0 {
			return usageError{fmt.Errorf("%q is not a port: want 1 to 65535", list[2])}
		}
		opts := flags.options()
		opts.Doors, opts.First = *door, true
		conn, err := knockAndDial(cmd.Context(), profile, opts, list[1], list[2])
		if err != nil {
			return err
		}
		defer conn.Close()
		defer context.AfterFunc(cmd.Context(), func() { conn.Close() })()
		return relay(conn, std.in, std.out)
	}
	return cmd
}

// knockAndDial opens the door and connects. If nobody answers the knock, the
// server may be one that does not: then one attempt tells.
func knockAndDial(ctx context.Context, p *client.Profile, opts client.Options, host, port string) (net.Conn, error) {
	result, knockErr := openDoor(ctx, p, opts)
	if tolerant(knockErr) != nil {
		return nil, knockErr
	}
	if (host == p.Host || host == p.Name) && len(result.Grants) > 0 {
		host = result.Grants[0].Server.Addr().String() // the address that the door is open at
	}
	if host == p.Name {
		host = p.Host
	}
	if knockErr != nil {
		conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
		if err != nil {
			return nil, knockErr
		}
		return conn, nil
	}
	var local netip.Addr
	if len(result.Grants) > 0 {
		local = result.Grants[0].Local
	}
	conn, err := race(ctx, local, net.JoinHostPort(host, port))
	if err != nil {
		return nil, hinted{fmt.Errorf("the door is open, but connecting fails: %w", err), "check that the service runs, and that the door has this port"}
	}
	return conn, nil
}

// raceStarts says when attempts to connect begin. The system repeats a lost
// SYN only after a second; a few more of our own cost nothing.
var raceStarts = []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond}

// race makes several attempts to connect and returns the first that succeeds.
func race(ctx context.Context, local netip.Addr, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	type attempt struct {
		conn net.Conn
		err  error
	}
	results := make(chan attempt)
	for _, start := range raceStarts {
		go func() {
			select {
			case <-time.After(start):
			case <-ctx.Done():
			}
			conn, err := dialFrom(ctx, local, address)
			results <- attempt{conn, err}
		}()
	}
	var won net.Conn
	var first error
	for range raceStarts {
		a := <-results
		switch {
		case a.err == nil && won == nil:
			won = a.conn
			cancel()
		case a.err == nil:
			a.conn.Close()
		case first == nil:
			first = a.err
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, first
}

// dialFrom connects from an address of this host, or from any if that has gone.
func dialFrom(ctx context.Context, local netip.Addr, address string) (net.Conn, error) {
	var dialer net.Dialer
	if local.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return conn, err
		}
		dialer.LocalAddr = nil
	}
	return dialer.DialContext(ctx, "tcp", address)
}

// relay copies both ways until the server has ended its side.
func relay(conn net.Conn, in io.Reader, out io.Writer) error {
	go func() {
		io.Copy(conn, in)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
	}()
	_, err := io.Copy(out, conn)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
