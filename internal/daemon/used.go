//go:build linux

package daemon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/memory"
	"sallyport/internal/daemon/messages"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/key"
	"sallyport/internal/sequence"
	"sallyport/internal/spa"
)

// prepareMemory opens the memory, if it is not open yet. It does so at the start
// even if nothing needs it, and before anything else is put into state_dir: a
// memory that has always been there has lost nothing when it is needed.
func (d *Daemon) prepareMemory(_ context.Context, c *change) (step, error) {
	if c.memory = d.memory.Load(); c.memory != nil {
		return step{}, nil
	}
	m, err := memory.Open(c.to, d.problems, d.log)
	if err != nil || m == nil {
		return step{}, err
	}
	c.memory = m
	return step{
		commit: func() { d.memory.Store(m) },
		abort:  func() { _ = m.Close() }, // nobody has used it
	}, nil
}

// prepareSPA makes what the gate needs for the SPA part of a configuration. The
// server key is read each time, so that a reload takes a rotated one into use.
func (d *Daemon) prepareSPA(_ context.Context, c *change) (step, error) {
	if len(c.to.SPA.Ports()) == 0 {
		return step{commit: func() { d.keys = key.Keyring{}; d.problems.Clear(suitesSubject) }}, nil
	}
	ring, made, err := messages.ServerKey(c.to, d.events.Put)
	if err != nil {
		return step{}, err
	}
	var done step
	m := d.messages.Load()
	if m == nil {
		if m, err = messages.Open(c.to, made, messages.Around{Answers: d.system.answers, Problems: d.problems, Log: d.log}); err != nil {
			return step{}, err
		}
		done.abort = func() { _ = m.Close() } // nobody has used it
	}
	c.spa = m.Gate(ring)
	done.commit = func() {
		before := d.keys
		d.messages.Store(m)
		d.keys = ring
		d.noteSuites(c.to, ring)
		d.tellKeys(before)
	}
	return done, nil
}

// suitesSubject is that of clients who can use no server key.
const suitesSubject = "suites"

// noteSuites names a client who may use none of the suites of which there is a key,
// and what mends it.
func (d *Daemon) noteSuites(cfg *config.Config, ring key.Keyring) {
	at := slices.IndexFunc(cfg.Clients, func(c config.Client) bool { return c.Mute(ring.Suites()) })
	if at < 0 {
		d.problems.Clear(suitesSubject)
		return
	}
	c := cfg.Clients[at]
	d.problems.Note(suitesSubject, fmt.Sprintf("client %q may use none of the suites of which this server has a key, so its messages open nothing: make such a key (sallyport server-key rotate --suite %s), or let the client use all suites (sallyport config set client.%s.suites '')",
		c.Name, c.Suites[0], c.Name))
}

// tellKeys reports that the server key is another one than before.
func (d *Daemon) tellKeys(before key.Keyring) {
	if before.Current().IsZero() || d.keys.Current().IsZero() {
		return
	}
	was, is := before.Current().Public().Fingerprint(), d.keys.Current().Public().Fingerprint()
	if was != is {
		d.events.Put(event.Event{Time: time.Now(), Kind: event.KindKey, Detail: fmt.Sprintf("the server key is %s from now on; it was %s", is, was)})
	}
}

// recorder is the daemon's, on this machine's disk.
type recorder struct{ d *Daemon }

// Record implements actor.Recorder.
func (r recorder) Record(what gate.Record) error {
	if what.Message != nil {
		return r.d.messages.Load().Record(*what.Message)
	}
	return r.d.memory.Load().Record(*what.Sequence)
}

// answer sends an acknowledgement, if the configuration allows any.
func (d *Daemon) answer(to *gate.Reply, reply spa.Ack) error {
	if !d.config.Load().SPA.Ack {
		return nil
	}
	return d.messages.Load().Answer(to, reply)
}

// keepPlan follows the steps of the rotating sequences.
func (d *Daemon) keepPlan(ctx context.Context) error {
	return d.pump.KeepPlan(ctx, func() bool { return d.config.Load().Rotates() })
}

// sequenceProblems finds what is wrong with sequences that change: overdue,
// used up, or out of reach.
func (d *Daemon) sequenceProblems(ctx context.Context, cfg *config.Config) []string {
	var list []string
	for _, o := range cfg.Overdue(time.Now()) {
		list = append(list, o.Place.String()+": "+o.String())
	}
	if left, err := d.pump.OneTimeLeft(ctx); err == nil {
		for i := range cfg.Doors {
			door := &cfg.Doors[i]
			if n, has := left[door.Name]; has && n == 0 && len(door.OneTime) > 0 {
				list = append(list, fmt.Sprintf("door %q: every one-time sequence has been used: add new ones to %s", door.Name, door.SequencesFile))
			}
		}
	}
	if first := d.host.Gate().Ephemeral[0]; cfg.Rotates() && cfg.Rotating.Protos != sequence.OnlyTCP && first <= cfg.Rotating.Last {
		list = append(list, fmt.Sprintf("rotating sequences have UDP ports up to %d, but from %d on (net.ipv4.ip_local_port_range) replies to this host arrive: such knocks do not count; set ports in [rotating]", cfg.Rotating.Last, first))
	}
	return list
}
