//go:build linux

package pump

import (
	"context"
	"errors"
	"time"

	"sallyport/internal/capture"
	"sallyport/internal/event"
	"sallyport/internal/gate"
)

// Alive returns once the pump has come by.
func (p *Pump) Alive(ctx context.Context) error { return p.do(ctx, func() {}) }

// Prepare gets hold of what a filter will need.
func (p *Pump) Prepare(ctx context.Context, f capture.Filter) error {
	failed, err := ask(ctx, p, func() error { return p.source.Prepare(f) })
	return errors.Join(err, failed)
}

// KeepPlan gives the gate a new plan whenever another step of the rotating sequences
// begins, and within a second of a change of the clock or of the ports in use, until
// the context ends. Needed reports whether there are such sequences.
func (p *Pump) KeepPlan(ctx context.Context, needed func() bool) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		if needed() {
			_ = p.replan(ctx, time.Now()) // fails at the end only
		}
	}
}

// replan gives the gate a new plan if it needs one. The plan is made on the
// goroutine that asks, so that no packet waits for it.
func (p *Pump) replan(ctx context.Context, now time.Time) error {
	work, err := ask(ctx, p, func() func() *gate.Plan { return p.gate.Planning(now) })
	if err != nil || work == nil {
		return err // or the step is the same
	}
	plan := work()
	return p.do(ctx, func() { p.gate.Adopt(plan) })
}

// OneTimeLeft asks the gate how many one-time sequences each door has left.
func (p *Pump) OneTimeLeft(ctx context.Context) (map[string]int, error) {
	return ask(ctx, p, p.gate.OneTimeLeft)
}

// Began informs the gate which grants are in force that count.
func (p *Pump) Began(ctx context.Context, grants []event.Grant) error {
	return p.do(ctx, func() { p.gate.Began(grants) })
}

// Ended informs the gate which grants have ended before their time.
func (p *Pump) Ended(ctx context.Context, grants []event.Grant) error {
	return p.do(ctx, func() { p.gate.Ended(grants) })
}

// Settle passes on the contacts that were counted when no further packet does it.
func (p *Pump) Settle(ctx context.Context, now time.Time) error {
	return p.do(ctx, func() {
		if p.contacts != nil {
			p.contacts.Settle(now)
		}
	})
}

// Elsewhere returns how many packets were for none of this host's addresses.
func (p *Pump) Elsewhere() uint64 { return p.gate.Elsewhere() }

// Copies returns how many repetitions of messages in STUN have come.
func (p *Pump) Copies() uint64 { return p.gate.Copies() }

// Sampled returns of how many packets to closed ports one is captured.
func (p *Pump) Sampled() int { return p.sampling.factor() }

// Adapt takes how many packets were captured in a time, and reports whether another
// share of them is to be captured from the next Look on.
func (p *Pump) Adapt(captured uint64, passed time.Duration) bool {
	return p.sampling.adapt(captured, passed)
}
