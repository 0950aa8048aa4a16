package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// errNoAgent says that no ssh-agent is running for this user.
var errNoAgent = errors.New("no ssh-agent is running")

// fromAgent is where a key is that an agent holds.
const fromAgent = "the ssh-agent"

// keyAgent is a connection to an ssh-agent. The nil keyAgent holds no keys.
type keyAgent struct {
	agent   agent.Agent
	conn    net.Conn
	unwatch func() bool
}

// openAgent connects to the user's agent, until Close or the end of ctx.
func openAgent(ctx context.Context) (*keyAgent, error) {
	conn, err := dialAgent(ctx)
	if err != nil {
		return nil, err
	}
	return &keyAgent{
		agent:   agent.NewClient(conn),
		conn:    conn,
		unwatch: context.AfterFunc(ctx, func() { conn.Close() }),
	}, nil
}

// Close ends the connection.
func (a *keyAgent) Close() {
	if a != nil {
		a.unwatch()
		a.conn.Close()
	}
}

// signers returns the keys that the agent holds.
func (a *keyAgent) signers() ([]ssh.Signer, error) {
	if a == nil {
		return nil, nil
	}
	signers, err := a.agent.Signers()
	if err != nil {
		return nil, advise("ssh-add -l shows whether it answers; ssh-add -X unlocks it", "ask the ssh-agent for its keys: %w", err)
	}
	return signers, nil
}

// find returns the key pub, if the agent holds it.
func (a *keyAgent) find(pub ssh.PublicKey) (*identity, error) {
	signers, err := a.signers()
	if err != nil {
		return nil, err
	}
	for _, s := range signers {
		if bytes.Equal(s.PublicKey().Marshal(), pub.Marshal()) {
			return &identity{signer: s, from: fromAgent}, nil
		}
	}
	return nil, fmt.Errorf("%s is not in it: %s", describe(pub), holds(a, signers))
}

// holds says what an agent holds.
func holds(a *keyAgent, signers []ssh.Signer) string {
	if a == nil {
		return errNoAgent.Error()
	}
	if len(signers) == 0 {
		return "the ssh-agent holds no keys"
	}
	text := "the ssh-agent holds"
	for i, s := range signers {
		if i > 0 {
			text += ","
		}
		text += " " + s.PublicKey().Type() + " " + ssh.FingerprintSHA256(s.PublicKey())
	}
	return text
}
