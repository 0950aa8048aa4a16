package client

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/sender"
	"sallyport/internal/sequence"
	"sallyport/internal/spa"
)

// knocker knocks for the legs of a connection.
type knocker interface {
	addrs() []netip.Addr
	touched() bool       // each knock costs the user a touch
	head() time.Duration // between the knock and the first attempt
	// knock knocks for a leg and returns the answer. The leg's channel left gets
	// a value as soon as everything has been sent once.
	knock(ctx context.Context, l *leg) (Result, error)
	giveBack(l *leg) (left <-chan struct{}) // what a leg may have opened
	done()
}

func newKnocker(ctx context.Context, p *Profile, opts Options) (knocker, error) {
	if p.ServerKey != "" {
		q, err := newRequest(ctx, p, spa.Open, opts)
		if err != nil {
			return nil, err
		}
		return &messenger{request: q}, nil
	}
	if _, err := rotatingDoors(p, opts); err != nil {
		return nil, err
	}
	addrs, err := resolve(ctx, p.Host, opts.Network)
	if err != nil {
		return nil, err
	}
	return &stepper{profile: p, opts: opts, list: addrs}, nil
}

// messenger knocks with messages.
type messenger struct {
	*request
	returning sync.WaitGroup // what is being given back
}

func (m *messenger) addrs() []netip.Addr { return m.list }

func (m *messenger) touched() bool { return m.id.touched() }

func (m *messenger) head() time.Duration { return sender.DefaultGap }

// knock sends each message twice before the connection begins: where packets
// overtake each other, or one is lost, the connection would else come to a door
// that is closed still, and cost a round trip more. A copy opens nothing, and
// nobody answers it.
func (m *messenger) knock(ctx context.Context, l *leg) (Result, error) {
	flights := m.flights(m.headers, l)
	for _, f := range flights {
		f.copied = m.head() / 5 // soon, so that the copy leaves time enough to open the door, too
	}
	return m.fly(ctx, flights, l.signal, &l.hasLeft)
}

func (m *messenger) giveBack(l *leg) <-chan struct{} {
	left := make(chan struct{}, 1)
	headers := slices.Clone(m.headers)
	for i := range headers {
		headers[i].Op, headers[i].Seconds, headers[i].Single = spa.Close, 0, false
	}
	m.returning.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, _ = m.fly(ctx, m.flights(headers, l), func() { left <- struct{}{} }, new(atomic.Bool))
	})
	return left
}

// fly runs flights of its own and calls left when each has sent a message.
func (m *messenger) fly(ctx context.Context, flights []*flight, left func(), any *atomic.Bool) (Result, error) {
	var out atomic.Int32
	for _, f := range flights {
		f.left = func() {
			any.Store(true)
			if int(out.Add(1)) == len(flights) {
				left()
			}
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m.gather(ctx, func() { cancel(errEnough) }, flights)
	return m.result(flights), m.failure(ctx, flights)
}

func (m *messenger) flights(headers []spa.Header, l *leg) (all []*flight) {
	for _, h := range headers {
		all = append(all, &flight{request: m.request, header: h, to: netip.AddrPortFrom(l.at, m.profile.Port), source: l.source})
	}
	return all
}

func (m *messenger) done() {
	go func() {
		m.returning.Wait()
		m.request.done()
	}()
}

// stepper knocks with rotating sequences, which nobody answers.
type stepper struct {
	profile *Profile
	opts    Options
	list    []netip.Addr
	mu      sync.Mutex // one step after the other
}

func (s *stepper) addrs() []netip.Addr { return s.list }

// touched holds the second family back: it would cost the step after this one.
func (s *stepper) touched() bool { return true }

func (s *stepper) head() time.Duration { return gap }

func (s *stepper) done() {}

func (s *stepper) giveBack(*leg) <-chan struct{} { return nil }

// unansweredFor is how long it takes to believe that a sequence has opened
// nothing: the system has sent its SYN three times by then.
const unansweredFor = 5 * time.Second

// knock sends the sequence of this step. If that is used up, the door may be
// open still; else it waits for the next step.
func (s *stepper) knock(ctx context.Context, l *leg) (Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	doors, err := rotatingDoors(s.profile, s.opts)
	if err != nil {
		return Result{}, err
	}
	for _, door := range doors {
		if err := s.send(ctx, l, door); err != nil {
			return Result{}, err
		}
	}
	l.signal()
	if err := sleep(ctx, unansweredFor); err != nil {
		return Result{}, err
	}
	return Result{}, errors.New("the sequence was sent, and the door did not open")
}

// send sends the sequence for a door, now or as soon as there is one that has
// not been used.
func (s *stepper) send(ctx context.Context, l *leg, door string) error {
	now := time.Now
	if s.opts.Now != nil {
		now = s.opts.Now
	}
	step := sequence.StepAt(now())
	if last, ok := used(s.profile, door, step); ok {
		l.signal()
		if err := sleep(ctx, beginning(last+1).Sub(now())); err != nil {
			return err
		}
		step = last + 1
	}
	_, err := sendSteps(ctx, s.profile, door, step, []netip.Addr{l.at})
	return err
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
