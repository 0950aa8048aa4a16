//go:build linux

package console

import (
	"context"
	"crypto/subtle"
	"sync"
	"time"
)

const (
	maxSessions = 256
	maxOfUser   = 16 // sessions at a time
)

// session is what someone has who is logged in. It needs a cookie, which no script can
// read, and a token, which no other page can send.
type session struct {
	who
	origin string    // at which it was begun
	made   time.Time // until when it lasts at most goes by this
	used   time.Time // guarded by sessions.mu

	token digest
	ctx   context.Context // ends with it
	end   context.CancelFunc

	use     *use // that of all sessions of the user
	passkey registering
}

// use is what a user has going on at a time, in all his sessions: by beginning more of them
// he takes nothing from others.
type use struct{ streams, asking bounded }

// sessions are in memory only: they end with the console.
type sessions struct {
	idle, longest time.Duration

	mu   sync.Mutex
	list map[digest]*session // by the hash of the cookie
}

func newSessions(idle, longest time.Duration) *sessions {
	return &sessions{idle: idle, longest: longest, list: make(map[digest]*session)}
}

// begin makes a session and returns its two secrets. Where there are too many of the user,
// or in all, the one that was not used for the longest time ends: who logs in has shown who
// he is, and must not be kept out by what is left of earlier ones.
func (s *sessions) begin(now time.Time, w who, origin string) (cookie, token string, of *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(now)
	s.makeRoom(maxOfUser, func(o *session) bool { return o.User == w.User })
	s.makeRoom(maxSessions, func(*session) bool { return true })
	cookie, key := newSecret()
	of = &session{who: w, origin: origin, made: now, used: now, use: s.useOf(w.User)}
	token, of.token = newSecret()
	of.ctx, of.end = context.WithCancel(context.Background())
	s.list[key] = of
	return cookie, token, of
}

// useOf returns what a user has going on already, as far as he has a session.
func (s *sessions) useOf(user string) *use {
	for _, o := range s.list {
		if o.User == user {
			return o.use
		}
	}
	return &use{streams: bounded{most: streamsOfUser}, asking: bounded{most: askingOfUser}}
}

func (s *sessions) makeRoom(most int, among func(*session) bool) {
	var oldest digest
	count, used := 0, time.Time{}
	for key, o := range s.list {
		if !among(o) {
			continue
		}
		if count++; used.IsZero() || o.used.Before(used) {
			oldest, used = key, o.used
		}
	}
	if count >= most {
		s.remove(oldest)
	}
}

func (s *sessions) remove(key digest) {
	if o := s.list[key]; o != nil {
		o.end()
		delete(s.list, key)
	}
}

// find returns the session of a cookie and a token, or nil. A use that is the page's own,
// without anyone at it, does not keep the session.
func (s *sessions) find(now time.Time, cookie, token string, use bool) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(now)
	o := s.list[digestOf(cookie)]
	if o == nil {
		return nil
	}
	shown := digestOf(token)
	if subtle.ConstantTimeCompare(shown[:], o.token[:]) != 1 {
		return nil
	}
	if use {
		o.used = now
	}
	return o
}

// user returns whose session a cookie belongs to; empty: there is none. It is no proof.
func (s *sessions) user(now time.Time, cookie string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(now)
	if o := s.list[digestOf(cookie)]; o != nil {
		return o.User
	}
	return ""
}

// drop ends the sessions whose time is over.
func (s *sessions) drop(now time.Time) {
	for key, o := range s.list {
		if now.Sub(o.used) >= s.idle || now.Sub(o.made) >= s.longest {
			s.remove(key)
		}
	}
}

// tidy ends what is over, so that streams end with it, though nobody asks.
func (s *sessions) tidy(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(now)
}

// endUser ends all sessions of a user, and returns how many.
func (s *sessions) endUser(user string) (ended int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.list {
		if o.User == user {
			s.remove(key)
			ended++
		}
	}
	return ended
}

// endAll ends all of them.
func (s *sessions) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.list {
		s.remove(key)
	}
}

// bounded counts what there is at a time.
type bounded struct {
	most int

	mu sync.Mutex
	n  int
}

// enter reports whether there is room, and takes it.
func (b *bounded) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n >= b.most {
		return false
	}
	b.n++
	return true
}

func (b *bounded) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n--
}
