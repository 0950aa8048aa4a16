//go:build !windows

package client

import (
	"context"
	"net"
	"os"
)

// dialAgent connects to the agent that SSH_AUTH_SOCK names.
func dialAgent(ctx context.Context) (net.Conn, error) {
	path := os.Getenv("SSH_AUTH_SOCK")
	if path == "" {
		return nil, errNoAgent
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, advise("start one: eval $(ssh-agent), then ssh-add; or unset SSH_AUTH_SOCK to use key files", "reach the ssh-agent: %w", err)
	}
	return conn, nil
}
