//go:build linux

package console

import (
	"net/netip"
	"sync"
	"time"

	"sallyport/internal/event"
)

const (
	failuresOfSource = 10  // in a minute; then the source has to wait
	failuresOfAll    = 100 // in a minute; then only sources that have not failed may try
	forgetFailures   = time.Minute
	maxFailed        = 4096 // sources; beyond that the oldest is forgotten
)

// throttle counts logins that have failed, by source, of IPv6 its /64. Secrets have 256
// bits and cannot be guessed at any rate: it bounds what failures cost, in time and in
// lines of logs. So it must keep nobody out who has done nothing: when others fail in
// number, a source that has not failed still has its try.
type throttle struct {
	mu     sync.Mutex
	failed map[netip.Prefix]inMinute
	all    inMinute
}

// inMinute counts.
type inMinute struct {
	since time.Time
	count int
}

// in returns what there was in the present minute.
func (f inMinute) in(now time.Time) inMinute {
	if now.Sub(f.since) >= forgetFailures || now.Before(f.since) {
		return inMinute{since: now}
	}
	return f
}

// wait returns how long a source has to wait before its next try; zero: not at all.
func (t *throttle) wait(now time.Time, source netip.Addr) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	own, all := t.failed[event.BannedAs(source)].in(now), t.all.in(now)
	switch {
	case own.count >= failuresOfSource:
		return forgetFailures - now.Sub(own.since)
	case own.count > 0 && all.count >= failuresOfAll:
		return forgetFailures - now.Sub(all.since)
	}
	return 0
}

// fail notes a failure. It reports whether a line in a log is due: what comes beyond the
// bound for all is not worth one each.
func (t *throttle) fail(now time.Time, source netip.Addr) (log bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = make(map[netip.Prefix]inMinute)
	}
	key := event.BannedAs(source)
	own := t.failed[key].in(now)
	own.count++
	if _, known := t.failed[key]; !known && len(t.failed) >= maxFailed {
		t.forgetOldest()
	}
	t.failed[key] = own
	t.all = t.all.in(now)
	t.all.count++
	return t.all.count <= failuresOfAll
}

func (t *throttle) forgetOldest() {
	var oldest netip.Prefix
	var since time.Time
	for key, f := range t.failed {
		if since.IsZero() || f.since.Before(since) {
			oldest, since = key, f.since
		}
	}
	delete(t.failed, oldest)
}

// loginsOfUser is how often someone may log in within a minute without a link of root's.
const loginsOfUser = 20

// logins counts those that have succeeded, by user: each is a line in two logs, and with a
// passkey one more file to be written.
type logins struct {
	mu sync.Mutex
	of map[string]inMinute
}

// enter reports whether a user may log in once more.
func (l *logins) enter(now time.Time, user string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = make(map[string]inMinute) // there are no more users than the configuration has
	}
	own := l.of[user].in(now)
	own.count++
	l.of[user] = own
	return own.count <= loginsOfUser
}
