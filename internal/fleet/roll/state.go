package roll

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshauth"
)

// Member is a client of the fleet, and how it stands.
type Member struct {
	Client
	Since   uint64 // the entry that has added it, or has last lifted what was revoked
	Revoked bool   // by an operator
}

// Holds reports whether a gate's revocation, which was made when that gate had read the
// roll up to an entry, keeps the client out.
func (m *Member) Holds(upTo uint64) bool { return m.Since <= upTo }

// State is what holds after an entry: the sum of all up to there. Its maps are for reading
// alone. One goroutine uses it; another gets a Clone.
type State struct {
	Fleet     Hash // that of entry 0, by which fleets are told apart
	Head      Head
	Recovery  ssh.PublicKey
	Operators map[string]Operator
	Gates     map[string]Gate
	Clients   map[string]Member

	signers  map[Hash]string    // operators by the ID of their key
	gateKeys map[string]string  // gates by their key
	clients  map[[6]byte]string // by what their messages claim
}

// Errors that ask for different things: to read on, to do nothing, to raise the alarm.
var (
	ErrGap  = errors.New("entries before it are missing")
	ErrOld  = errors.New("it is not newer than what is known")
	ErrFork = errors.New("the roll has been forked: there are two histories, and an operator's key or the store must be in wrong hands")
)

func empty() *State {
	return &State{
		Operators: map[string]Operator{}, Gates: map[string]Gate{}, Clients: map[string]Member{},
		signers: map[Hash]string{}, gateKeys: map[string]string{}, clients: map[[6]byte]string{},
	}
}

// Clone returns a copy that does not change with the state.
func (s *State) Clone() *State {
	c := *s
	c.Operators, c.Gates, c.Clients = maps.Clone(s.Operators), maps.Clone(s.Gates), maps.Clone(s.Clients)
	c.signers, c.gateKeys, c.clients = maps.Clone(s.signers), maps.Clone(s.gateKeys), maps.Clone(s.clients)
	return &c
}

// Apply takes the next entry. If it does not count, the state stays as it is, and the
// error says why: ErrOld, ErrGap and ErrFork, or what is wrong with it.
func (s *State) Apply(e *Entry) error {
	if err := s.follows(e); err != nil {
		return fmt.Errorf("entry %d: %w", e.Number, err)
	}
	signer, recovery, err := s.signer(e)
	if err == nil {
		err = verify(signer, e)
	}
	if err == nil && recovery {
		err = recovers(e)
	}
	if err == nil {
		err = s.change(e)
	}
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Number, err)
	}
	return nil
}

// Check reports whether an entry would count if its signature were right, so that nobody
// signs what does not.
func (s *State) Check(e *Entry) error {
	err := s.follows(e)
	var recovery bool
	if err == nil {
		_, recovery, err = s.signer(e)
	}
	if err == nil && recovery {
		err = recovers(e)
	}
	if err == nil {
		err = s.Clone().change(e)
	}
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Number, err)
	}
	return nil
}

// follows reports whether an entry is the next of this chain.
func (s *State) follows(e *Entry) error {
	switch {
	case e.Number == s.Head.Number && e.Head() != s.Head:
		return ErrFork
	case e.Number <= s.Head.Number:
		return ErrOld
	case e.Number > s.Head.Number+1:
		return ErrGap
	case e.Prev != s.Head.Hash:
		return ErrFork
	}
	return nil
}

var errStranger = errors.New("it is signed by nobody who is an operator now")

// signer returns the key that an entry claims to be signed with.
func (s *State) signer(e *Entry) (k ssh.PublicKey, recovery bool, err error) {
	if s.Recovery != nil && e.Signer == ID(s.Recovery) {
		return s.Recovery, true, nil
	}
	name, ok := s.signers[e.Signer]
	if !ok {
		return nil, false, errStranger
	}
	k, err = s.Operators[name].PublicKey()
	return k, false, err
}

func verify(signer ssh.PublicKey, e *Entry) error {
	if err := sshauth.Roll.Verify(signer, e.Body(), e.Proof); err != nil {
		return fmt.Errorf("its signature does not count: %w", err)
	}
	return nil
}

// SignedBy returns the name of the operator who has signed an entry, by its claim alone.
func (s *State) SignedBy(e *Entry) string {
	if s.Recovery != nil && e.Signer == ID(s.Recovery) {
		return "the recovery key"
	}
	return s.signers[e.Signer]
}

// recovers refuses what the recovery key may not do. It may sign a checkpoint, which
// changes nothing, or it could be stuck before one.
func recovers(e *Entry) error {
	for _, c := range e.Changes {
		switch c.(type) {
		case OperatorAdd, OperatorRemove, Checkpoint:
		default:
			return errors.New("the recovery key may add and remove operators alone")
		}
	}
	return nil
}

// change makes the changes of an entry, all or none.
func (s *State) change(e *Entry) error {
	if err := s.checkpoints(e); err != nil {
		return err
	}
	var u undo
	for _, c := range e.Changes {
		err := error(nil)
		if v, ok := c.(interface{ check() error }); ok {
			err = v.check()
		}
		if err == nil {
			err = c.apply(s, &u, e.Number)
		}
		if err != nil {
			u.run()
			return err
		}
	}
	if len(s.Operators) == 0 {
		u.run()
		return errors.New("the last operator cannot be removed: add another one first")
	}
	s.Head = e.Head()
	return nil
}

// checkpoints makes checkpoints stand where everybody looks for them, and there alone.
func (s *State) checkpoints(e *Entry) error {
	is := slices.ContainsFunc(e.Changes, func(c Change) bool { _, ok := c.(Checkpoint); return ok })
	due := e.Number > 0 && e.Number%Interval == 0
	switch {
	case due && (!is || len(e.Changes) != 1):
		return fmt.Errorf("every entry whose number is a multiple of %d is a checkpoint, and nothing else", Interval)
	case is && !due:
		return fmt.Errorf("a checkpoint stands at multiples of %d alone", Interval)
	}
	return nil
}

// DueCheckpoint reports whether the next entry has to be a checkpoint.
func (s *State) DueCheckpoint() bool { return (s.Head.Number+1)%Interval == 0 }

// undo remembers how things were.
type undo []func()

func (u undo) run() {
	for _, f := range slices.Backward(u) {
		f()
	}
}

func put[K comparable, V any](u *undo, m map[K]V, k K, v V) {
	restore(u, m, k)
	m[k] = v
}

func drop[K comparable, V any](u *undo, m map[K]V, k K) {
	restore(u, m, k)
	delete(m, k)
}

func restore[K comparable, V any](u *undo, m map[K]V, k K) {
	old, had := m[k]
	*u = append(*u, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
}
