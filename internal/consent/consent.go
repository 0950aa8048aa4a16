// Package consent is what an administrator has agreed to: that a drill is carried out
// against this gate from addresses that he names, for an hour at most. It suppresses
// nothing. What is found of those addresses meanwhile is found as ever, and marked; bans
// happen, and are known by the consent, so that they can be lifted by name.
package consent

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/event"
)

const (
	// Longest is for how long a consent may be in force.
	Longest = time.Hour

	// MaxSources is how many addresses a consent may name: one machine has few.
	MaxSources = 4

	// late is for how long after its end a consent is known, for the result.
	late = time.Hour
)

// State is a consent, and what has been seen of its addresses while it was in force.
type State struct {
	ID           string
	Sources      []netip.Addr
	Given, Until time.Time
	First, Last  time.Time    // when strangers' packets came from there; zero: none have come
	Banned       []netip.Addr // sources whose bans are marked
}

// Book holds the one consent there is. Its methods may be called by several goroutines
// at once.
type Book struct {
	mu    sync.Mutex
	state State
	proof [sha256.Size]byte // the hash of what shows its token

	// marked has the marks of findings, which are passed on again when more of the same
	// comes, after the consent has ended, too.
	marked map[string]string
}

// maxMarked bounds marked. The rules there are cannot make as many of MaxSources.
const maxMarked = 256

// The reasons why a consent is not given, or not found.
var (
	ErrInForce = errors.New("another consent to a drill is in force")
	ErrUnknown = errors.New("there is no consent with this token: it was never given here, has been ended, or was over an hour ago")
)

// Give puts a consent into force.
func (b *Book) Give(now time.Time, t Token, sources []netip.Addr, length time.Duration) (State, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.state.Until) {
		return State{}, ErrInForce
	}
	b.state = State{ID: t.ID, Sources: slices.Clone(sources), Given: now, Until: now.Add(length)}
	b.proof, b.marked = sha256.Sum256(t.Proof()), nil
	return b.state, nil
}

// Prove returns the consent of whose token this is the proof.
func (b *Book) Prove(now time.Time, proof []byte) (State, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.proved(now, proof)
}

func (b *Book) proved(now time.Time, proof []byte) (State, error) {
	sum := sha256.Sum256(proof)
	if b.state.ID == "" || !now.Before(b.state.Until.Add(late)) || subtle.ConstantTimeCompare(sum[:], b.proof[:]) != 1 {
		return State{}, ErrUnknown
	}
	s := b.state
	s.Banned = slices.Clone(s.Banned)
	return s, nil
}

// End ends a consent, and forgets its token.
func (b *Book) End(now time.Time, proof []byte) (State, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := b.proved(now, proof)
	if err == nil {
		b.state, b.proof = State{}, [sha256.Size]byte{}
	}
	return s, err
}

// covers reports whether a source is one of the consent, at a time.
func (b *Book) covers(source netip.Addr, at time.Time) bool {
	return b.state.ID != "" && at.Before(b.state.Until) && slices.Contains(b.state.Sources, source.Unmap().WithZone(""))
}

// Mark is what stands in the evidence of a finding, and in the detail of a ban, that a
// drill has caused.
func Mark(id string) string { return "drill " + id }

// Finding marks a finding that is about a source of the consent.
func (b *Book) Finding(now time.Time, f event.Finding) event.Finding {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.covers(f.Source, now) && len(b.marked) < maxMarked {
		if b.marked == nil {
			b.marked = make(map[string]string)
		}
		b.marked[f.ID] = Mark(b.state.ID)
	}
	if mark := b.marked[f.ID]; mark != "" && !slices.Contains(f.Evidence, mark) {
		f.Evidence = append(slices.Clone(f.Evidence), mark)
	}
	return f
}

// Event marks a ban of a source of the consent, and remembers it. What an operator has
// ordered is no part of a drill.
func (b *Book) Event(e event.Event) event.Event {
	if e.Kind != event.KindBan || e.Ended || e.Reason == event.ByOperator {
		return e
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.covers(e.Source, e.Time) {
		return e
	}
	e.Detail += "; " + Mark(b.state.ID)
	if !slices.Contains(b.state.Banned, e.Source) {
		b.state.Banned = append(b.state.Banned, e.Source)
	}
	return e
}

// Heard is a sink: it notes when packets of strangers came from the consent's sources,
// by which the clock of the machine that has sent them is compared.
func (b *Book) Heard(e event.Event) {
	if !e.Hostile() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	first, last := e.Time, e.Time
	if !e.Count.First.IsZero() {
		first, last = e.Count.First, e.Count.Last
	}
	if first.Before(b.state.Given) || !b.covers(e.Source, first) {
		return
	}
	if b.state.First.IsZero() || first.Before(b.state.First) {
		b.state.First = first
	}
	if last.After(b.state.Last) {
		b.state.Last = last
	}
}
