package client

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/Microsoft/go-winio"
)

// dialAgent connects to the named pipe of the OpenSSH Authentication Agent
// service, or to the one that SSH_AUTH_SOCK names.
func dialAgent(ctx context.Context) (net.Conn, error) {
	path := os.Getenv("SSH_AUTH_SOCK")
	if path == "" {
		path = `\\.\pipe\openssh-ssh-agent`
	}
	conn, err := winio.DialPipeContext(ctx, path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoAgent
	}
	if err != nil {
		return nil, advise("start the service: Start-Service ssh-agent, then ssh-add", "reach the ssh-agent: %w", err)
	}
	return conn, nil
}
