package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/inert"
)

const (
	// lookEvery is how often a mirror looks without being told: what the kernel ends by
	// itself is seen by nobody at once.
	lookEvery = 10 * time.Second
	lastRetry = time.Minute // between two tries of a mirror
)

// Open is a door that is open for an address or prefix, for as long as any owner has it.
type Open struct {
	Door   string    `json:"door"`
	Source string    `json:"source"` // an address, or a prefix
	Until  time.Time `json:"until"`
	Single bool      `json:"single,omitempty"` // for one connection
}

// change is what a mirror is sent. Sequence grows by one with each that has arrived, and
// begins at 1 in each run.
type change struct {
	Run      string    `json:"run"` // of this sender: with another, numbers mean nothing
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Full     bool      `json:"full"`   // Open is all there is: close the rest
	Open     []Open    `json:"open"`   // that has been opened, or ends at another time
	Closed   []Open    `json:"closed"` // that has ended
}

// mirror keeps a receiver, such as another firewall, at what is open here. It sends what
// has changed; and after anything has failed, or gone unanswered, everything that is open,
// before any further change. So what a receiver has is right as soon as it takes a
// message, however many it has lost. Nothing waits in line: what is sent is made when it
// is sent.
type mirror struct {
	grants func(context.Context) ([]event.Grant, error) // what is open; an error while that is not known
	wake   chan struct{}

	run      string
	sequence uint64
	known    []Open // that the receiver has, sorted
	behind   bool   // what it has is not known
}

func newMirror(grants func(context.Context) ([]event.Grant, error), started time.Time) *mirror {
	return &mirror{grants: grants, wake: make(chan struct{}, 1), behind: true, run: strconv.FormatInt(started.UnixMicro(), 36)}
}

// put notes that something may have changed. It never blocks.
func (m *mirror) put(e event.Event) {
	switch e.Kind {
	case event.KindGrant, event.KindExpiry, event.KindRevocation, event.KindUse, event.KindReload, event.KindRepair:
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}

// reflect sends what has changed until the context ends.
func (p *place) reflect(ctx context.Context) {
	every := time.NewTicker(p.look)
	defer every.Stop()
	for ctx.Err() == nil {
		if wait := time.Until(p.next); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
		began := time.Now()
		p.step(ctx)
		// A list of many grants costs a while: a tenth of one core, however fast they change.
		p.next = later(p.next, time.Now().Add(9*p.mirror.listing(began)))
		if p.mirror.behind {
			continue
		}
		select {
		case <-ctx.Done():
		case <-p.mirror.wake:
		case <-every.C:
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// listing is what making a list has cost at most, where it is worth a pause.
func (m *mirror) listing(began time.Time) time.Duration {
	if len(m.known) < 1000 {
		return 0
	}
	return min(time.Since(began), time.Second)
}

// step sends one message, if there is anything to say.
func (p *place) step(ctx context.Context) {
	m := p.mirror
	list, err := m.grants(ctx)
	if err != nil {
		p.postpone(err)
		return
	}
	now := opens(list)
	c := m.change(now)
	if c == nil {
		return
	}
	text, err := json.Marshal(c)
	if err != nil {
		p.failed(given(p.config, "what is open could not be written", err))
		p.postpone(err)
		return
	}
	err = p.post(ctx, inert.JSON(text))
	var wrong *wrongMessage
	switch {
	case ctx.Err() != nil:
		m.behind = true
	case err == nil:
		m.sequence, m.known, m.behind = c.Sequence, now, false
		if p.told {
			p.log.Info("a webhook is at what is open again", "webhook", p.config.Place.String())
		}
		p.pause, p.told = 0, false
	case errors.As(err, &wrong) && wrong.code == http.StatusConflict && !m.behind:
		m.behind = true // it says that it has missed something
	default:
		p.postpone(err)
	}
}

// postpone has everything sent, after a pause that grows.
func (p *place) postpone(err error) {
	p.mirror.behind = true
	p.pause = min(max(2*p.pause, p.first), lastRetry)
	p.next = time.Now().Add(p.pause)
	if !p.told {
		p.told = true
		p.failed(given(p.config, "it may not be at what is open: everything is sent until it takes it", err))
	}
}

// opens are grants as a receiver sees them: one for each door and address, until the last
// end that any owner has.
func opens(list []event.Grant) []Open {
	all := make([]Open, 0, len(list))
	for _, g := range list {
		source := g.From().String()
		if g.From().IsSingleIP() {
			source = g.From().Addr().String()
		}
		all = append(all, Open{g.Door, source, g.Until.UTC(), g.Single})
	}
	slices.SortFunc(all, func(a, b Open) int { return cmp.Or(byPlace(a, b), b.Until.Compare(a.Until)) })
	return slices.CompactFunc(all, func(a, b Open) bool { return byPlace(a, b) == 0 })
}

// byPlace orders by what is open for whom. For one connection and for any number are two.
func byPlace(a, b Open) int {
	single := func(o Open) int {
		if o.Single {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.Door, b.Door), cmp.Compare(a.Source, b.Source), cmp.Compare(single(a), single(b)))
}

// change returns what to say to a receiver so that it has what is open now; nil: nothing.
func (m *mirror) change(now []Open) *change {
	c := &change{Run: m.run, Sequence: m.sequence + 1, Time: time.Now().UTC(), Full: m.behind, Open: []Open{}, Closed: []Open{}}
	if m.behind {
		c.Open = now
		return c
	}
	c.Open, c.Closed = difference(m.known, now)
	if len(c.Open)+len(c.Closed) == 0 {
		return nil
	}
	return c
}

// difference walks two sorted lists.
func difference(was, is []Open) (open, closed []Open) {
	open, closed = []Open{}, []Open{}
	for len(was) > 0 || len(is) > 0 {
		order := 0
		switch {
		case len(was) == 0:
			order = 1
		case len(is) == 0:
			order = -1
		default:
			order = byPlace(was[0], is[0])
		}
		switch {
		case order < 0:
			closed, was = append(closed, was[0]), was[1:]
		case order > 0:
			open, is = append(open, is[0]), is[1:]
		default:
			if !was[0].Until.Equal(is[0].Until) {
				open = append(open, is[0])
			}
			was, is = was[1:], is[1:]
		}
	}
	return open, closed
}
