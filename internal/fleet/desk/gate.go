package desk

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"sallyport/internal/fleet/admission"
	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
)

// Ask puts what a gate asks for where operators look for it.
func Ask(ctx context.Context, s store.Store, q *admission.Request, gate, voucher ed25519.PrivateKey) error {
	text, err := q.Sign(gate, voucher)
	if err != nil {
		return err
	}
	if _, err := s.Commit(ctx, nil, []store.Write{{Key: archive.JoinPrefix + q.Gate.Name, Value: text}}); err != nil {
		return fmt.Errorf("ask the fleet's operators: %w", err)
	}
	return nil
}

// Await reads the roll until it names a gate with a key, and returns it as it is then. The
// context bounds how long. A store that cannot be reached for a while is waited for.
func Await(ctx context.Context, s store.Store, pin roll.Head, gate string, key ed25519.PublicKey) (*roll.State, error) {
	var known *roll.State
	for {
		v, err := archive.Load(ctx, s, known, pin)
		switch {
		case errors.Is(err, roll.ErrFork):
			return nil, fmt.Errorf("read the roll: %w", err)
		case err == nil:
			known = v.State
			if g, there := known.Gates[gate]; there && g.Key.Equal(key) {
				return known, nil
			}
		}
		select {
		case <-ctx.Done():
			if known == nil {
				return nil, fmt.Errorf("read the roll: %w", err)
			}
			return known, ErrWaiting
		case <-time.After(time.Second):
		}
	}
}

// ErrWaiting says that no operator has signed yet.
var ErrWaiting = errors.New("no operator has signed it yet")
