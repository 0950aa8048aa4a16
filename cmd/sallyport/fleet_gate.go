//go:build linux && !client_only

package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/fleet/desk"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
	"sallyport/internal/key"
)

// serverKeys returns the public server keys of a gate, as the roll holds them.
func serverKeys(ring key.Keyring) (list []key.Public) {
	for _, h := range ring.All() {
		list = append(list, h.Current.Public())
	}
	return list
}

// awaitGate waits until the roll names the gate.
func awaitGate(ctx context.Context, std stdio, s store.Store, pin roll.Head, gate roll.Gate, wait time.Duration) error {
	ctx, stop := context.WithTimeout(ctx, wait)
	defer stop()
	state, err := desk.Await(ctx, s, pin, gate.Name, gate.Key)
	if errors.Is(err, desk.ErrWaiting) {
		return hinted{fmt.Errorf("gate %q waits: %w", gate.Name, err), "the gate goes on asking; sallyport fleet status on an operator's machine, and sallyport status here, show when it is in"}
	}
	if err != nil {
		return gateAdvice(gate.Name, err)
	}
	fmt.Fprintf(std.out, "gate %q is in the fleet, by entry %d at the latest\n", gate.Name, state.Head.Number)
	return nil
}

// fingerprint is what people compare of a gate's key.
func fingerprint(k ed25519.PublicKey) string {
	pub, err := roll.SSHKey(k)
	if err != nil {
		return "none"
	}
	return ssh.FingerprintSHA256(pub)
}

// gateAdvice adds what helps a gate that cannot reach its fleet.
func gateAdvice(gate string, err error) error {
	switch {
	case errors.Is(err, store.ErrRefused):
		return hinted{err, "the user of the certificate needs the role of this gate: sallyport fleet etcd-commands " + gate}
	case errors.Is(err, store.ErrUnreachable), errors.Is(err, store.ErrNoLeader):
		return hinted{err, "is etcd reached from here, with this certificate? openssl s_client -connect HOST:PORT shows it"}
	}
	return advise(err)
}
