// Package detect finds in the stream of events what is worth a look: scans,
// guessing, replays, keys in other hands, doors that nobody uses.
//
// Every rule has a file of its own, or shares it with its sibling, and there
// says what it looks for, what that means and what to do. What it finds is
// raised once and counted from then on, until it has been quiet for a while.
//
// Most events are in an attacker's hand, and so is the source of most packets.
// Therefore an event costs a bounded amount of time and allocates nothing,
// memory is bounded however many sources there are, and nothing here leads to
// anything but a finding: a forger can make noise, not consequences. What only a
// forger would have to invent is not told from what is true; a finding about a
// scan says where it seems to come from.
//
// The package is pure: time is that of the events, and of Tick.
package detect

import (
	"hash/maphash"
	"net/netip"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

// Options say what a detector works with.
type Options struct {
	Config      *config.Config
	UsesWatched bool                    // whether KindUse events tell which grants are used
	Country     func(netip.Addr) string // two letters, or empty; nil: countries are not known
	Exposed     func() []Exposure       // by what doors are open now; nil: not known
}

// Detector judges a stream of events. One goroutine uses it.
type Detector struct {
	opts   Options
	limits config.Detect
	epoch  time.Time
	now    time.Time // of the latest event; goes back only with everything else
	seed   maphash.Seed

	knocks    map[string]uint64 // of static sequences, by door
	sources   *sources
	clients   map[string]*client
	unused    unusedGrants
	pending   pending
	scanning  crowd
	guessing  crowd
	gettingIn crowd
	flood     flood
	open      map[subject]*raised
	perRule   map[*rule]int
	today     map[*rule]int // findings begun since dayBegan
	dayBegan  time.Time
	news      []*raised // to be told
	grown     []*raised // told before, to be told again
	out       []event.Finding
	reviewed  time.Time // when changes of findings were last told
	dueAt     time.Time // when secrets are looked at next
	exposedAt time.Time // when the host is
}

// New returns a detector that knows nothing yet.
func New(o Options, now time.Time) *Detector {
	seed := maphash.MakeSeed()
	now = now.Round(0)
	d := &Detector{
		epoch:     now.Add(-time.Second), // so that no time is zero, which means never
		now:       now,
		seed:      seed,
		sources:   newSources(seed),
		clients:   make(map[string]*client),
		unused:    newUnusedGrants(),
		scanning:  crowd{half: scanSourcesWindow / 2, started: now},
		guessing:  crowd{half: guessSourcesWindow / 2, started: now},
		gettingIn: crowd{half: guessSourcesWindow / 2, started: now},
		open:      make(map[subject]*raised),
		perRule:   make(map[*rule]int),
		today:     make(map[*rule]int),
		dayBegan:  now,
	}
	d.Reconfigure(o)
	return d
}

// Reconfigure takes other options. What is known so far stays.
func (d *Detector) Reconfigure(o Options) {
	d.opts, d.limits, d.knocks = o, o.Config.Detect, knocksOf(o.Config)
	d.dueAt = time.Time{}
}

// Observe takes one event and returns the findings that it raises, or makes
// more severe; almost always none. They are valid until the next call.
func (d *Detector) Observe(e event.Event) []event.Finding {
	d.advance(e.Time)
	switch e.Kind {
	case event.KindContacts:
		d.observeContacts(e)
	case event.KindRefusal, event.KindClock:
		d.observeRefusal(e)
	case event.KindGrant:
		d.observeGrant(e)
	case event.KindUse:
		d.unused.used(visitOf(e))
	case event.KindExpiry:
		d.observeExpiry(e)
	case event.KindRevocation:
		d.unused.forget(visitOf(e))
	case event.KindLogin:
		d.observeLogin(e)
	}
	return d.told()
}

func (d *Detector) observeRefusal(e event.Event) {
	if !e.Source.IsValid() { // a sum over any sources
		d.observeFlood(e.Count.Packets, 0)
		return
	}
	if e.Hostile() {
		d.observeFlood(1, 0)
	}
	switch e.Reason {
	case event.Scanner:
		d.observeScanner(e)
	case event.WrongKnock:
		d.observeBroken(e)
	case event.Replayed, event.UsedStep:
		d.observeReplay(e)
	case event.Intercepted:
		d.observeInterception(e)
	case event.InviteUsed:
		if e.Authenticated { // it was shown, and not only claimed
			d.raise(subject{rule: usedInvite, source: e.Source, client: e.Client}, event.High, 1)
		}
	case event.Roamed:
		d.raise(subject{rule: roaming, source: e.Source, client: e.Client}, event.Info, 1)
	case event.StaleTime:
		d.observeClock(e)
	case event.BadSeal, event.BadHeader, event.BadIntegrity, event.UnknownClient, event.BadProof:
		d.observeStranger(e)
	case event.ForbiddenDoor, event.UnknownDoor, event.ForbiddenFrom, event.ForbiddenWay:
		if e.Authenticated { // else anybody who has overheard a sequence
			d.observeForbidden(e)
		}
	}
}

// observeGrant: who gets in has the secret. What they touched on the way were
// his knocks, and what went wrong before were mistakes, unless there were too
// many of them.
func (d *Detector) observeGrant(e event.Event) {
	if d.opts.UsesWatched {
		d.unused.granted(visitOf(e))
	}
	if !e.Source.IsValid() || e.Reason == event.ByOperator {
		return
	}
	d.brokenIn(e)
	c := d.sources.make(e.Source, d.at())
	c.granted = d.at()
	d.gettingIn.add(d.now, hashOf(d.seed, e.Source), e.Source)
	c.excuse(d.excusedBy(e))
	c.guesses, c.near = tally{}, tally{}
	if e.Client != "" {
		d.observePlace(e)
	}
}

// Tick is to be called about once a second. It returns the findings that only
// time brings to light; they are valid until the next call. Call Counted after it.
func (d *Detector) Tick(now time.Time) []event.Finding {
	d.advance(now)
	d.rollFlood()
	d.settlePending()
	d.rollCrowds()
	d.observeSecrets()
	d.observeExposure()
	d.review()
	return d.told()
}

// setBack is by how much the clock must go back to have been set: events come
// out of order by less.
const setBack = time.Minute

// advance follows the clock. It does not go back: windows would not end. Some
// times have a monotonic reading and some have none, so none is used.
func (d *Detector) advance(now time.Time) {
	now = now.Round(0)
	back := d.now.Sub(now)
	if back >= setBack {
		d.shift(-back)
	}
	if back < 0 {
		d.now = now
	}
}

// shift moves all that is known in time, after the clock was set back.
func (d *Detector) shift(by time.Duration) {
	for _, t := range []*time.Time{&d.now, &d.epoch, &d.reviewed, &d.dueAt, &d.exposedAt, &d.dayBegan, &d.scanning.started, &d.guessing.started, &d.gettingIn.started} {
		*t = t.Add(by)
	}
	for _, f := range d.open {
		f.First, f.Last = f.First.Add(by), f.Last.Add(by)
	}
}

// at is the present time in seconds since the epoch; never zero.
func (d *Detector) at() uint32 { return uint32(d.now.Sub(d.epoch) / time.Second) }

// client is what is known of one client.
type client struct {
	places    [2]places // in IPv4, in IPv6: a client may use both from the same place
	countries []string
	forbidden tally
	misplaced tally
	replays   tally
}

// ofClient returns what is known of a client. The names are those of the
// configuration, so there are as many as it has, or has had.
func (d *Detector) ofClient(name string) *client {
	c := d.clients[name]
	if c == nil {
		c = new(client)
		d.clients[name] = c
	}
	return c
}
