//go:build linux

package console

import (
	"slices"
	"sync"
	"time"

	"sallyport/internal/control"
)

const (
	linkFor  = 5 * time.Minute
	maxLinks = 16 // that nobody has used; the oldest makes room
)

// who is someone who has shown who he is.
type who struct {
	User   string
	Rights control.Rights
	By     string // how: "link", "passkey", "proxy"
}

// link is a login link that nobody has used.
type link struct {
	secret digest
	whose  who
	until  time.Time
}

// links are those that can be spent, the oldest first. Only root and the console's own user
// have them made.
type links struct {
	mu   sync.Mutex
	list []link
}

// make returns the secret of a new link.
func (l *links) make(now time.Time, w who) (secret string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(now)
	if len(l.list) == maxLinks {
		l.list = l.list[1:]
	}
	secret, of := newSecret()
	until = now.Add(linkFor)
	l.list = append(l.list, link{of, w, until})
	return secret, until
}

// spend returns whose a link is, and takes it away: of several who come at once with the
// same link, one gets in.
func (l *links) spend(now time.Time, secret string) (who, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(now)
	of := digestOf(secret)
	for i, one := range l.list {
		if one.secret == of {
			l.list = append(l.list[:i:i], l.list[i+1:]...)
			return one.whose, true
		}
	}
	return who{}, false
}

// has reports whether a link can still be spent.
func (l *links) has(now time.Time, secret string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(now)
	of := digestOf(secret)
	return slices.ContainsFunc(l.list, func(one link) bool { return one.secret == of })
}

// drop forgets links whose time is over.
func (l *links) drop(now time.Time) {
	for len(l.list) > 0 && !now.Before(l.list[0].until) {
		l.list = l.list[1:]
	}
}
