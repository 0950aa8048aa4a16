//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/account"
	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/actor"
	"sallyport/internal/daemon/asks"
	"sallyport/internal/daemon/inquiry"
	"sallyport/internal/daemon/ledger"
	"sallyport/internal/daemon/operator"
	"sallyport/internal/event"
	"sallyport/internal/inspect"
	"sallyport/internal/key"
	"sallyport/internal/phrase"
)

// manyForeign is how many files of another user are named.
const manyForeign = 3

// noteForeign names the files that the daemon keeps and that are another
// user's, as a daemon that was started as root leaves them: what cannot be
// read or recorded opens nothing.
func (d *Daemon) noteForeign(cfg *config.Config) {
	for _, dir := range []string{cfg.Daemon.StateDir, d.kept.Dir()} {
		owner, names := inspect.Foreign(dir, cfg.SPA.ServerKey)
		if len(names) == 0 {
			continue
		}
		name := account.Name(owner)
		d.problems.Fail("owner of "+dir, fmt.Sprintf("%s belongs to %s, and not what is in it (%s): what cannot be recorded there is refused; run as root: chown -R %s: %s, then restart the daemon",
			dir, name, phrase.Some(names, manyForeign), name, dir))
	}
}

// prepareOwners makes the book and the actor at the start: after the memory of used
// sequences, which must see whether anything has been put into state_dir.
func (d *Daemon) prepareOwners(_ context.Context, c *change) (step, error) {
	if c.from != nil {
		return step{commit: func() { d.sessions.Configure(c.to) }}, nil
	}
	d.ledger = ledger.Open(c.to, d.firewall, func(a netip.Addr) bool { return d.host.Own().Contains(a) }, d.problems, d.events.Put, d.log)
	d.book, d.sessions = d.ledger.Book, d.ledger.Sessions
	d.Desk = asks.New(asks.Around{
		InForce: d.config.Load, Own: func(a netip.Addr) bool { return d.host.Own().Contains(a) }, Banned: d.bans.Has, Put: d.events.Put, Decided: d.events.Decided,
		Open: func(ctx context.Context, q control.OpenRequest, why string) (event.Grant, error) {
			return d.OpenFor(ctx, q, why)
		},
		Known:   func(ctx context.Context, of netip.Prefix) (control.Lookup, error) { return d.Known(ctx, of) },
		Changed: func() { d.feed.Changed("asks") },
	})
	d.actor = actor.New(d.book, d.events, actor.Around{
		Recorder: recorder{d}, Bans: d.bans, Admit: d.fleet.Admission(), Shared: d.fleet.Sharing(), Ask: d.fleet.Asking(), Answer: d.answer, Opened: d.metrics.Opened, Ended: d.ended, Cut: d.sessions.Order, Enrol: d.enrolled.Order, Asked: d.Desk.Take, Withdraw: d.Desk.Withdraw, Undone: d.ledger.Undone,
	})
	d.Inquiry = inquiry.New(inquiry.Around{Version: d.opts.Version, Host: inquiry.HostName(), InForce: d.config.Load, Grants: d.ledger.InForce, Counters: d.firewall.Counters, Keys: d.keysInUse})
	d.Operator = operator.New(d.config.Load, d.actor, d.sessions, d.bans, d.firewall.Bans)
	return step{abort: func() { _ = d.ledger.Close() }}, nil // nobody has used them
}

// keysInUse returns the server keys, between two changes of the configuration.
func (d *Daemon) keysInUse() key.Keyring {
	d.trial.Changing.Lock()
	defer d.trial.Changing.Unlock()
	return d.keys
}

// restore takes up the grants of before this start.
func (d *Daemon) restore(ctx context.Context) error {
	return d.ledger.Restore(ctx, d.actor, d.pump, d.config.Load)
}

// endedPatience is how long the end of a grant may wait for the gate. Without
// it, the gate counts the grant until its time is over.
const endedPatience = time.Second

// ended informs the gate which grants have ended before their time.
func (d *Daemon) ended(grants []event.Grant) {
	cfg := d.config.Load()
	counted := slices.ContainsFunc(cfg.Clients, func(c config.Client) bool {
		return c.Most != 0 && slices.ContainsFunc(grants, func(g event.Grant) bool { return g.Client == c.Name })
	})
	if !counted {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), endedPatience)
	defer stop()
	_ = d.pump.Ended(ctx, grants)
}

// whatIsOpen returns all grants; an error while those of an earlier time are missing.
func (d *Daemon) whatIsOpen(ctx context.Context) ([]event.Grant, error) {
	list, all, err := d.ledger.InForce(ctx, time.Now())
	if err == nil && !all {
		err = errors.New("the grants of before the start are still being read")
	}
	return list, err
}
