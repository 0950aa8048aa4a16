package grant

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/conntrack"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

// SessionsName is the name of the file of sessions in state_dir.
const SessionsName = "sessions"

// maxSessions is how many connections to doors are known at a time.
const maxSessions = 16_384

// Session is a connection to a door, with all whose grants let it in.
type Session struct {
	Flow   conntrack.Flow // its name only
	Owners []event.Owner  // none: it needed no grant, or nobody knows
	Began  time.Time      // when it was first seen
	Seen   bool           // its beginning has been noticed: it was not there before
}

// Sessions knows whose the connections to doors are, from their beginning to
// their end, also while their grants are long over. It keeps that in a file of its
// own: the kernel offers nothing but marks and labels, which belong to the host's
// other rules. It is safe for concurrent use.
type Sessions struct {
	mu    sync.Mutex
	live  map[conntrack.Flow]*held
	slots *slots
	clock func() time.Duration
	limit int
	read  bool // every connection is known, but for those beyond the limit
	left  bool // some are beyond the limit
}

// held is a session and its place in the file.
type held struct {
	Session
	slot int
}

const (
	sessionsMagic = "SPSESSN1"
	ownerLen      = 1 + 8 + 1 + longestClient
	// began 8 · id 4 · protocol 1 · ports 4 · seen 1 · addresses 2 × 17 · number of owners 1 · owners
	sessionLen = 8 + 4 + 1 + 4 + 1 + 34 + 1 + maxOwners*ownerLen
)

// OpenSessions opens the file at path, as OpenRegister does. What it holds counts
// for connections that the kernel still has: Reread finds out which.
func OpenSessions(path, boot string, clock func() time.Duration, now time.Time) *Sessions {
	s := &Sessions{live: make(map[conntrack.Flow]*held), clock: clock, limit: maxSessions}
	booted := now.Add(-clock())
	s.slots = openSlots(path, sessionsMagic, boot, 1+sessionLen+4, maxSessions, func(slot int, content []byte) bool {
		h := &held{slot: slot}
		var ok bool
		if h.Session, ok = readSession(content, booted); ok {
			s.live[h.Flow] = h
		}
		return ok
	})
	return s
}

// Mend tries once more to write down what could not be, and returns why the owners
// of connections may be unknown after a restart.
func (s *Sessions) Mend() error {
	for mendOnce(&s.mu, s.slots) {
	}
	return s.Problem()
}

// Problem returns why the owners of connections may be unknown after a restart.
func (s *Sessions) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots.problem == nil {
		return nil
	}
	return fmt.Errorf("who owns the connections is not kept: %w", s.slots.problem)
}

// Close closes the file.
func (s *Sessions) Close() error {
	if s == nil {
		return nil
	}
	return s.slots.close()
}

// Begun takes a connection that has begun now.
func (s *Sessions) Begun(f conntrack.Flow, owners []event.Owner, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(Session{f.Name(), owners, now, true}, now)
}

func (s *Sessions) add(new Session, now time.Time) {
	if s.live[new.Flow] != nil {
		return
	}
	if len(s.live) >= s.limit {
		s.left = true
		return
	}
	if len(new.Owners) > maxOwners { // of single and lasting grants together
		new.Owners = append(slices.Clone(new.Owners[:maxOwners-1]), event.Owner{Holder: event.Anyone})
	}
	h := &held{new, s.slots.take()}
	began := s.clock() + new.Began.Sub(now)
	s.slots.put(h.slot, func(content []byte) { writeSession(content, new, began) })
	s.live[new.Flow] = h
}

// Ended forgets a connection that is over.
func (s *Sessions) Ended(f conntrack.Flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(f.Name())
}

func (s *Sessions) remove(f conntrack.Flow) {
	if h := s.live[f]; h != nil {
		s.slots.drop(h.slot, false)
		delete(s.live, f)
	}
}

// Reread takes a list of all connections, asked for at a time: what is missing in
// it is over, and what is new began unnoticed. Owners says who has its door open
// now. If all were known before, a new one has begun since, and is Seen.
func (s *Sessions) Reread(list []conntrack.Flow, asked time.Time, owners func(conntrack.Flow) []event.Owner, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := make(map[conntrack.Flow]bool, len(list))
	for _, f := range list {
		there[f.Name()] = true
	}
	for f, h := range s.live {
		if !there[f] && h.Began.Before(asked) {
			s.remove(f)
		}
	}
	seen := s.read && !s.left
	s.left = false
	for _, f := range list {
		if s.live[f.Name()] == nil {
			s.add(Session{f.Name(), owners(f), now, seen}, now)
		}
	}
	s.read = true
}

// Lost says that connections may have begun that nobody has told of, and that are
// not to be taken for new ones: other doors are watched.
func (s *Sessions) Lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = false
}

// Find returns a connection, and reports whether it is known.
func (s *Sessions) Find(f conntrack.Flow) (Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.live[f.Name()]
	if h == nil {
		return Session{}, false
	}
	return h.Session, true
}

// Complete reports whether every connection is known.
func (s *Sessions) Complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read && !s.left
}

// writeSession fills a record.
func writeSession(b []byte, s Session, began time.Duration) {
	f := s.Flow
	binary.BigEndian.PutUint64(b, uint64(began))
	binary.BigEndian.PutUint32(b[8:], f.ID)
	b[12] = byte(f.Port.Proto)
	binary.BigEndian.PutUint16(b[13:], f.Port.Number)
	binary.BigEndian.PutUint16(b[15:], f.From)
	if s.Seen {
		b[17] = 1
	}
	for i, a := range []netip.Addr{f.Source, f.To} {
		at := b[18+17*i:]
		at[0] = byte(copy(at[1:17], a.AsSlice()))
	}
	b[52] = byte(len(s.Owners))
	for i, o := range s.Owners {
		at := b[53+i*ownerLen:]
		at[0] = byte(o.Holder)
		copy(at[1:9], o.Message[:])
		at[9] = byte(copy(at[10:10+longestClient], o.Client))
	}
}

// readSession is the inverse of writeSession; it accepts nothing else.
func readSession(b []byte, booted time.Time) (s Session, ok bool) {
	if len(b) != sessionLen || b[17] > 1 || b[52] > maxOwners || b[18] > 16 || b[35] > 16 {
		return s, false
	}
	began := time.Duration(binary.BigEndian.Uint64(b))
	s.Began, s.Seen = booted.Add(began), b[17] == 1
	f := &s.Flow
	f.ID = binary.BigEndian.Uint32(b[8:])
	f.Port = packet.Port{Proto: packet.Proto(b[12]), Number: binary.BigEndian.Uint16(b[13:])}
	f.From = binary.BigEndian.Uint16(b[15:])
	var sourceOK, toOK bool
	f.Source, sourceOK = netip.AddrFromSlice(b[19 : 19+int(b[18])])
	f.To, toOK = netip.AddrFromSlice(b[36 : 36+int(b[35])])
	for i := range int(b[52]) {
		at := b[53+i*ownerLen:]
		if at[9] > longestClient || event.Holder(at[0]) > event.Anyone {
			return s, false
		}
		s.Owners = append(s.Owners, event.Owner{Client: string(at[10 : 10+int(at[9])]), Holder: event.Holder(at[0]), Message: event.Message(at[1:9])})
	}
	again := make([]byte, sessionLen)
	writeSession(again, s, began)
	return s, sourceOK && toOK && string(again) == string(b)
}
