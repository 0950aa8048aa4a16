package caep

import (
	"sync"
	"time"
)

// maxSeen is how many tokens are remembered. Only the issuer can make more: then the
// oldest are forgotten, and what they said would be done again.
const maxSeen = 4096

// Seen remembers the tokens that were obeyed, as a transmitter delivers one again if it
// has not heard our answer, and anyone who has a copy could. It is safe for concurrent use.
type Seen struct {
	mu    sync.Mutex
	until map[string]time.Time
	order []string // the oldest first
}

// Again notes a token and reports whether it was seen before.
func (s *Seen) Again(now time.Time, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = make(map[string]time.Time)
	}
	for len(s.order) > 0 && (len(s.order) >= maxSeen || !now.Before(s.until[s.order[0]])) {
		delete(s.until, s.order[0])
		s.order = s.order[1:]
	}
	if _, seen := s.until[id]; seen {
		return true
	}
	s.until[id] = now.Add(oldest + ahead)
	s.order = append(s.order, id)
	return false
}
