package desk

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"sallyport/client"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/seal"
	"sallyport/internal/fleet/store"
	"sallyport/internal/key"
	"sallyport/internal/sequence"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// Give makes a secret that of a client in the roll; a zero one is none.
func (d *Desk) Give(c *roll.Client, s sequence.Secret) (err error) {
	if s.IsZero() {
		return nil
	}
	c.Secrets, err = seal.Signer(d.View.Fleet, c.Name, s)
	return err
}

// together is how many secrets are handed out in one transaction.
const together = 50

// Hand seals a client's secret to each gate at which the client counts.
func (d *Desk) Hand(ctx context.Context, c roll.Client, s sequence.Secret) error {
	var writes []store.Write
	for _, name := range Names(d.View.Gates) {
		g := d.View.Gates[name]
		if !c.At(&g) {
			continue
		}
		sealed, err := seal.Seal(g.Server[0], seal.Place{Fleet: d.View.Fleet, Gate: name, Client: c.Name}, s)
		if err != nil {
			return err
		}
		writes = append(writes, store.Write{Key: record.SecretKey(name, c.Name), Value: sealed})
	}
	return d.write(ctx, writes)
}

// Take deletes what Hand has written. Gates that do not see it go by the roll.
func (d *Desk) Take(ctx context.Context, c roll.Client) error {
	var writes []store.Write
	for _, name := range Names(d.View.Gates) {
		writes = append(writes, store.Write{Key: record.SecretKey(name, c.Name), Delete: true})
	}
	return d.write(ctx, writes)
}

func (d *Desk) write(ctx context.Context, writes []store.Write) error {
	for len(writes) > 0 {
		n := min(len(writes), together)
		if _, err := d.Store.Commit(ctx, nil, writes[:n]); err != nil {
			return err
		}
		writes = writes[n:]
	}
	return nil
}

// Profile returns what a client needs to know of one gate. The secret is the whole one;
// zero: it has none, or it is not known here.
func Profile(g roll.Gate, c roll.Client, s sequence.Secret) (*client.Profile, error) {
	if len(g.Addresses) == 0 {
		return nil, errors.New("it has named no address by which clients reach it")
	}
	p := &client.Profile{Name: g.Name, Host: g.Addresses[0], Doors: c.Doors}
	if !s.IsZero() {
		p.Rotating, p.Shape, p.Gate = s, g.Shape, g.Name
	}
	k, err := c.PublicKey()
	if err != nil {
		return nil, err
	}
	if k != nil {
		server, err := serverKey(g, k)
		if err != nil {
			return nil, err
		}
		p.Port, p.ServerKey, p.Skew, p.Identity = g.Port, server.Text(), g.Skew, ssh.FingerprintSHA256(k)
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("make a profile: %w", err)
	}
	return p, nil
}

// serverKey returns the first of a gate's whose messages have room for a client's proof.
func serverKey(g roll.Gate, k ssh.PublicKey) (key.Public, error) {
	size, err := sshauth.ProofSize(k)
	if err != nil {
		return key.Public{}, err
	}
	for _, server := range g.Server {
		if _, err = spa.Length(server.Suite(), size); err == nil {
			return server, nil
		}
	}
	return key.Public{}, err
}
