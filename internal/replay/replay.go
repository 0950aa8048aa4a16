// Package replay remembers which SPA messages have been seen, so that none
// opens a door twice: not from another address, not after a restart, not after
// the daemon was killed between writing a record and opening the door.
//
// A Guard is the memory: O(1) for each message, bounded, used by one
// goroutine. A Store is its record in files. For each message that has been
// authenticated the caller first asks the guard to Admit it, which reserves it
// at once, so that a copy that arrives a microsecond later is refused; then
// hands the Record to Store.Append, and opens the door only when that has
// returned nil. Everything that Append cannot write stays refused.
//
// # Why no message is fresh twice
//
// What is remembered is put into generations, in the order of arrival. Whole
// generations are forgotten, the oldest first, and only when all their
// messages are stamped longer ago than the time window and their room is
// needed. When that happens the floor rises to the latest stamp among them,
// and it never sinks. So at any time, for any message that was ever admitted:
// either it is in memory, or it is stamped at or before the floor; and in both
// cases it is refused. No clock takes part in this argument. A clock that is
// set back brings old messages into the time window again, but does not make
// the guard forget that it saw them.
//
// Nor does it lock out fresh messages: the floor is the stamp of a message
// that was older than the window, and as forgetting is put off until room is
// needed (65,536 messages are kept however old they are), it is usually days
// old. Only a clock that is set back beyond the floor makes the guard refuse
// fresh messages, until it has passed the floor again.
//
// # Why a restart changes nothing
//
// A record is in the page cache before its door opens, and so survives every
// death of the process. Each is protected by a checksum, generations lie in
// files of a fixed length, and an index names them, the floor and the boot of
// the machine; so records that were cut off, altered or removed are noticed,
// and so is a reboot without Store.Close, which may have lost the records of
// the last seconds. What was lost is stamped no later than the ceiling, which is
// on the disk before any message stamped at it is recorded, and is raised by a
// minute at once. So the floor rises to the ceiling, and no clock takes part in
// this argument either: that of a machine without a battery may be late at boot
// and be set right, or run on, past what was lost.
//
// Where the index itself is lost, nothing says what there was. The guard puts up
// a barrier: it refuses everything stamped before its start plus one window, as
// a message that was admitted just before may have been stamped by a clock that
// much ahead. When the clock is set forward, the barrier is put up again. It
// stands in nobody's way once one window has passed, and is taken down after two by
// the monotonic clock, which matters to those whose clock was ahead and was
// then set right.
//
// What remains: a store replaced by an older copy of itself within one boot
// (or a virtual machine put back to a snapshot) is believed; and after the loss of
// the index a clock that is late and runs on comes to the messages of before.
package replay

import (
	"encoding/binary"
	"net/netip"
	"time"

	"sallyport/internal/clock"
	"sallyport/internal/weak"
)

// Message identifies an SPA message.
type Message struct {
	Client  [6]byte
	R       [8]byte    // its random bytes
	Mark    [8]byte    // first bytes of the SHA-256 of the datagram: tells a copy from another message with the same R
	Stamped time.Time  // within the time window of now, which the caller has checked; counts in milliseconds
	Source  netip.Addr // where it came from
}

// Verdict is what the guard says about a message. The zero verdict refuses,
// as does every other than Fresh.
type Verdict uint8

// The verdicts.
const (
	Forgotten   Verdict = iota // too old to know whether it was seen
	Fresh                      // not seen before
	Repeated                   // the same message from the same source, or once more from others
	Intercepted                // the same message from another source, for the first time: someone on the way has a copy
	Reused                     // another message of this client with the same random bytes
	Crowding                   // the client has sent too many messages lately
	Full                       // no room, and nothing old enough to be forgotten
)

// String returns the verdict in a few words.
func (v Verdict) String() string {
	words := [...]string{"forgotten", "fresh", "repeated", "intercepted", "reused", "crowding", "full"}
	if int(v) < len(words) {
		return words[v]
	}
	return "unknown"
}

// sizes bound the memory. A message takes about 64 bytes of it.
type sizes struct {
	generation int // messages in a generation
	keep       int // generations that are kept however old
	most       int // generations at most
}

var standard = sizes{generation: 8192, keep: 8, most: 64} // 524,288 messages

// A client may have sent burst messages at once and then one each interval:
// a thousand times what people do, but a stolen key cannot fill the guard.
const (
	interval = 250 * time.Millisecond
	burst    = 64
)

// key is what makes a message one of a kind.
type key struct {
	client [6]byte
	r      [8]byte
}

// entry is what is remembered of a message.
type entry struct {
	mark   [8]byte
	source [16]byte
}

type generation struct {
	number uint32
	latest int64 // greatest stamp, Unix milliseconds
	keys   []key
}

// Guard remembers messages. It is not safe for concurrent use.
type Guard struct {
	sizes       sizes
	window      time.Duration
	opened      time.Time // when the barrier was put up
	clock       clock.Watch
	barrier     int64 // Unix milliseconds; 0: none
	floor       int64 // Unix milliseconds
	seen        map[key]entry
	generations []generation // oldest first, at least one
	busy        map[[6]byte]time.Time
}

// SetWindow takes another time window: how far a stamp may be from now. Before a
// greater one a barrier is as high as if the guard had been opened with it.
func (g *Guard) SetWindow(window time.Duration) {
	if window > g.window && g.barrier != 0 {
		g.barrier = max(g.barrier, g.opened.Add(window).UnixMilli())
	}
	g.window = window
}

// Len returns how many messages are remembered.
func (g *Guard) Len() int { return len(g.seen) }

// Check says what Admit would, short of Crowding and Full, and reserves
// nothing: for a cheap look before the signature is verified. Before that,
// Reused is no evidence of anything, as a forger can choose the same R;
// Repeated and Intercepted are, as Mark is that of an authenticated message.
func (g *Guard) Check(m Message, now time.Time) Verdict {
	if seen, ok := g.seen[key{m.Client, m.R}]; ok && !weak.Replay {
		switch {
		case seen.mark != m.Mark:
			return Reused
		case seen.source != m.Source.As16() && seen.source != told:
			return Intercepted
		}
		return Repeated
	}
	g.watch(now)
	stamp := m.Stamped.UnixMilli()
	if stamp <= g.floor || stamp <= g.barrier && now.Sub(g.opened) < 2*g.window || stamp >= 1<<48 {
		return Forgotten
	}
	return Fresh
}

// watch puts the barrier up again when the clock has been set forward.
func (g *Guard) watch(now time.Time) {
	if g.clock.Forward(now) && g.barrier != 0 {
		g.opened, g.barrier = now, max(g.barrier, now.Add(g.window).UnixMilli())
	}
}

// told stands in the place of the source of a message whose interception has
// been told.
var told = netip.IPv6Unspecified().As16()

// Told says that the interception of a message has been acted upon: further
// copies, from anywhere, are Repeated. Otherwise anyone who has one copy could
// end the client's grants, and have it told, as often as he likes.
func (g *Guard) Told(m Message) {
	k := key{m.Client, m.R}
	if seen, ok := g.seen[k]; ok && seen.mark == m.Mark {
		seen.source = told
		g.seen[k] = seen
	}
}

// Admit decides about a message that has been authenticated. If it is Fresh it
// is from now on seen, and the record is to be appended to the store before
// anything is opened.
func (g *Guard) Admit(m Message, now time.Time) (Record, Verdict) {
	if v := g.Check(m, now); v != Fresh {
		return Record{}, v
	}
	if !g.calm(m.Client, now) {
		return Record{}, Crowding
	}
	if !g.makeRoom(now) {
		return Record{}, Full
	}
	g.busy[m.Client] = latest(g.busy[m.Client], now).Add(interval)
	g.remember(m)
	return Record{
		slot:       encode(m),
		generation: g.current().number,
		oldest:     g.generations[0].number,
		floor:      g.floor,
		stamp:      m.Stamped.UnixMilli(),
	}, Fresh
}

func (g *Guard) current() *generation { return &g.generations[len(g.generations)-1] }

func (g *Guard) remember(m Message) {
	k := key{m.Client, m.R}
	if _, ok := g.seen[k]; ok {
		return
	}
	g.seen[k] = entry{m.Mark, m.Source.As16()}
	at := g.current()
	at.keys = append(at.keys, k)
	at.latest = max(at.latest, m.Stamped.UnixMilli())
}

// calm reports whether the client has kept to its rate. If the clock was set
// back, without monotonic time, that is no reason to hold the client up.
func (g *Guard) calm(client [6]byte, now time.Time) bool {
	ahead := g.busy[client].Sub(now)
	if ahead > burst*interval {
		delete(g.busy, client)
	}
	return ahead <= (burst-1)*interval || ahead > burst*interval
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// makeRoom reports whether one more message can be remembered. It forgets two
// generations at most each time, so that no packet waits long.
func (g *Guard) makeRoom(now time.Time) bool {
	if len(g.current().keys) < g.sizes.generation {
		return true
	}
	old := now.Add(-g.window).UnixMilli()
	for range 2 {
		if len(g.generations) > g.sizes.keep && g.generations[0].latest < old {
			g.forget()
		}
	}
	if len(g.generations) >= g.sizes.most {
		return false
	}
	for client, until := range g.busy {
		if until.Before(now) {
			delete(g.busy, client)
		}
	}
	g.generations = append(g.generations, generation{number: g.current().number + 1})
	return true
}

// forget drops the oldest generation, which is not the only one.
func (g *Guard) forget() {
	g.floor = max(g.floor, g.generations[0].latest)
	for _, k := range g.generations[0].keys {
		delete(g.seen, k)
	}
	g.generations = append(g.generations[:0], g.generations[1:]...)
}

// number48 writes the low 48 bits of n.
func number48(to []byte, n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	copy(to, b[2:])
}
