package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/sender"
)

func newProxy(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "proxy PROFILE HOST PORT",
		Short:   "Open the door and connect standard input and output, for ssh's ProxyCommand",
		GroupID: "client",
		Long: `Knocks, and begins to connect before the server has answered, so that a connection takes no longer than
without a door. With --fdpass it hands the connection over to ssh, which asks for that with
ProxyUseFdpass=yes, and is not in the way of what follows.`,
		Example: `  ssh -o "ProxyCommand sallyport proxy office %h %p" gate.example.org
  ssh -o ProxyUseFdpass=yes \
      -o "ProxyCommand sallyport proxy --fdpass office %h %p" gate`,
		Args: args(cobra.ExactArgs(3)),
	}
	flags := addAskFlags(cmd, std)
	door := cmd.Flags().StringArray("door", nil, "the `DOOR` to open (default: the profile's first one)")
	pass := cmd.Flags().Bool("fdpass", false, "hand the connection to the program on standard output, as ssh wants it with ProxyUseFdpass")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		profile, err := loadProfile(list[0])
		if err != nil {
			return err
		}
		if n, err := strconv.ParseUint(list[2], 10, 16); err != nil || n == 0 {
			return usageError{fmt.Errorf("%q is not a port: want 1 to 65535", list[2])}
		}
		opts := flags.options()
		opts.Doors = *door
		dialer := client.Dialer{Profile: profile, Options: opts, Answered: func(r client.Result) { warnOf(std.err, profile, r) }}
		conn, err := dialer.DialContext(cmd.Context(), "tcp", net.JoinHostPort(list[1], list[2]))
		if op := (*net.OpError)(nil); errors.As(err, &op) && !errors.As(err, new(*client.NoAnswerError)) {
			return fmt.Errorf("connect to %s port %s: %w", list[1], list[2], sender.Cause(err))
		}
		if err != nil {
			return err
		}
		defer conn.Close()
		if *pass {
			return passDescriptor(conn)
		}
		defer context.AfterFunc(cmd.Context(), func() { conn.Close() })()
		return relay(conn, std.in, std.out)
	}
	return cmd
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
