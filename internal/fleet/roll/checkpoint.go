package roll

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/crypto/ssh"
)

// MaxState bounds what is read for a whole state: 20,000 gates with their keys, and
// 100,000 clients of usual size.
const MaxState = 64 << 20

const stateMagic = "sallyport roll state v1\x00"

// Marshal returns the whole state, in its one form.
func (s *State) Marshal() []byte {
	w := writerOf(append(make([]byte, 0, 256*(len(s.Clients)+8*len(s.Gates)+16)), stateMagic...))
	w.Raw(s.Fleet[:])
	w.U64(s.Head.Number)
	w.Raw(s.Head.Hash[:])
	w.Text(string(rawKey(s.Recovery)))
	w.U32(uint32(len(s.Operators)))
	for _, name := range slices.Sorted(maps.Keys(s.Operators)) {
		s.Operators[name].encode(&w)
	}
	w.U32(uint32(len(s.Gates)))
	for _, name := range slices.Sorted(maps.Keys(s.Gates)) {
		s.Gates[name].encode(&w)
	}
	w.U32(uint32(len(s.Clients)))
	for _, name := range slices.Sorted(maps.Keys(s.Clients)) {
		m := s.Clients[name]
		m.Client.encode(&w)
		w.U64(m.Since)
		w.Flag(m.Revoked)
	}
	return w.Out
}

// rawKey returns the 32 bytes of an Ed25519 key.
func rawKey(k ssh.PublicKey) ed25519.PublicKey {
	if holder, ok := k.(ssh.CryptoPublicKey); ok {
		raw, _ := holder.CryptoPublicKey().(ed25519.PublicKey)
		return raw
	}
	return nil
}

// Checkpoint returns the change that names the state as it is.
func (s *State) Checkpoint() Checkpoint {
	text := s.Marshal()
	return Checkpoint{uint64(len(text)), sha256.Sum256(text)}
}

var errState = errors.New("this is no whole state of a roll, or it is damaged")

// ParseState reads what Marshal writes, and nothing else. It says nothing about whether
// that state ever was: see Begin and Jump, and whatever the caller has sealed itself.
func ParseState(text []byte) (*State, error) {
	if len(text) > MaxState {
		return nil, fmt.Errorf("the state has %d bytes: want at most %d", len(text), MaxState)
	}
	r := readerOf(text)
	if string(r.Raw(len(stateMagic))) != stateMagic {
		return nil, errState
	}
	s := empty()
	s.Fleet, s.Head.Number, s.Head.Hash = r.hash(), r.U64(), r.hash()
	if err := (Recovery{ed25519.PublicKey(r.text())}).load(s); err != nil {
		return nil, errState
	}
	err := errors.Join(
		load(&r, s, MaxOperators, func() loaded { return OperatorAdd{r.operator()} }),
		load(&r, s, MaxGates, func() loaded { return GateAdd{r.gate()} }),
		load(&r, s, MaxClients, func() loaded { return Member{r.client(), r.U64(), r.Flag()} }),
	)
	if err != nil || r.Bad || len(r.Rest) > 0 || len(s.Operators) == 0 || !bytes.Equal(s.Marshal(), text) {
		return nil, errState
	}
	return s, nil
}

// loaded is a part of a whole state.
type loaded interface{ load(*State) error }

func load(r *reader, s *State, most uint32, next func() loaded) error {
	n := r.U32()
	if n > most {
		return errState
	}
	for ; n > 0; n-- {
		part := next()
		if r.Bad {
			return errState
		}
		if err := part.load(s); err != nil {
			return err
		}
	}
	return nil
}

func (c Recovery) load(s *State) error    { return start(s, c, c.check) }
func (c OperatorAdd) load(s *State) error { return start(s, c, c.check) }
func (c GateAdd) load(s *State) error     { return start(s, c, c.check) }

func start(s *State, c Change, check func() error) error {
	if err := check(); err != nil {
		return err
	}
	return c.apply(s, new(undo), 0)
}

func (m Member) load(s *State) error {
	if err := m.check(); err != nil {
		return err
	}
	if m.Since > s.Head.Number {
		return errState
	}
	if _, twice := s.Clients[m.Name]; twice {
		return errState
	}
	return s.setClient(new(undo), m)
}

// Found returns the state after entry 0, which nothing vouches for but itself: who
// reads it has to have its hash from elsewhere.
func Found(e *Entry) (*State, error) {
	if e.Number != 0 || len(e.Changes) < 2 || e.Changes[0].kind() != KindRecovery {
		return nil, errors.New("entry 0 names the recovery key, then the first operators")
	}
	for _, c := range e.Changes[1:] {
		if c.kind() != KindOperatorAdd {
			return nil, errors.New("entry 0 names the recovery key and operators alone")
		}
	}
	s := empty()
	if err := s.change(e); err != nil {
		return nil, fmt.Errorf("entry 0: %w", err)
	}
	s.Fleet = s.Head.Hash
	signer, recovery, err := s.signer(e)
	if err == nil && recovery {
		err = errors.New("the recovery key founds nothing")
	}
	if err == nil {
		err = verify(signer, e)
	}
	if err != nil {
		return nil, fmt.Errorf("entry 0: %w", err)
	}
	return s, nil
}

// Begin returns the state for those who know nothing but a head: an invitation's. The
// entries begin with entry 0, or with a checkpoint, whose state is whole; they go at least
// as far as the head. The chain of hashes leads back from the head to the first of them,
// and so vouches for all of it.
func Begin(pin Head, whole []byte, entries []*Entry) (*State, error) {
	if len(entries) == 0 || entries[0].Number > pin.Number || pin.Number-entries[0].Number >= uint64(len(entries)) {
		return nil, fmt.Errorf("%s: %w", pin, ErrGap)
	}
	s, err := first(whole, entries[0])
	if err != nil {
		return nil, err
	}
	seen := s.Head == pin
	for _, e := range entries[1:] {
		if err := s.Apply(e); err != nil {
			return nil, err
		}
		seen = seen || s.Head == pin
	}
	if !seen {
		return nil, fmt.Errorf("%s is not in it: %w", pin, ErrFork)
	}
	return s, nil
}

// first takes the first entry at its word.
func first(whole []byte, e *Entry) (*State, error) {
	if e.Number == 0 {
		return Found(e)
	}
	s, err := checkpointed(whole, e)
	if err != nil {
		return nil, err
	}
	return s, s.Apply(e)
}

// checkpointed returns the state that a checkpoint names.
func checkpointed(whole []byte, e *Entry) (*State, error) {
	c, ok := e.Changes[0].(Checkpoint)
	if !ok || len(e.Changes) != 1 {
		return nil, fmt.Errorf("entry %d is no checkpoint", e.Number)
	}
	if uint64(len(whole)) != c.Size || sha256.Sum256(whole) != c.Digest {
		return nil, fmt.Errorf("entry %d is a checkpoint of another state than what is stored beside it", e.Number)
	}
	return ParseState(whole)
}

// Jump returns the state after a checkpoint, for those whose state is so old that the
// entries between are gone. An operator of the old state has to vouch for it: the recovery
// key does not do. Where no operator is left who was one then, there is no way but a new
// invitation.
func (s *State) Jump(e *Entry, whole []byte) (*State, error) {
	if e.Number <= s.Head.Number {
		return nil, fmt.Errorf("entry %d: %w", e.Number, ErrOld)
	}
	signer, recovery, err := s.signer(e)
	if err == nil && recovery {
		err = errStranger
	}
	if err == nil {
		err = verify(signer, e)
	}
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", e.Number, err)
	}
	next, err := first(whole, e)
	if err != nil {
		return nil, err
	}
	if next.Fleet != s.Fleet {
		return nil, fmt.Errorf("entry %d is of another fleet: %w", e.Number, ErrFork)
	}
	return next, nil
}
