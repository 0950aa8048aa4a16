//go:build linux

// Package ledger knows which grants are in force and whose they are. It reads back
// those of before the start, lists those of now as the kernel has them, ends those
// that a configuration does not allow any more, and keeps on the disk who owns what.
package ledger

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/actor"
	"sallyport/internal/daemon/boot"
	"sallyport/internal/daemon/problems"
	"sallyport/internal/daemon/sessions"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/grant"
	"sallyport/internal/phrase"
)

// Kernel is where grants are in force.
type Kernel interface {
	grant.Firewall
	Grants(now time.Time) ([]event.Grant, error)
}

// Ledger holds the book of grants, and the connections that they have let in.
type Ledger struct {
	Book     *grant.Book
	Sessions *sessions.Sessions

	kernel   Kernel
	register *grant.Register
	problems *problems.List
	put      func(event.Event)
	restored chan struct{} // closed when the grants of an earlier time are in the book
}

// Open opens what is kept of owners in a configuration's state_dir, and a book that
// expects grants of an earlier time, see Restore. own reports whether an address is
// this host's.
func Open(cfg *config.Config, kernel Kernel, own func(netip.Addr) bool, list *problems.List, put func(event.Event), log *slog.Logger) *Ledger {
	now, id := time.Now(), boot.ID()
	l := &Ledger{kernel: kernel, problems: list, put: put, restored: make(chan struct{})}
	l.register = grant.OpenRegister(filepath.Join(cfg.Daemon.StateDir, grant.RegisterName), id, boot.Time, now)
	l.Book = grant.New(kernel, l.register)
	table := grant.OpenSessions(filepath.Join(cfg.Daemon.StateDir, grant.SessionsName), id, boot.Time, now)
	l.Sessions = sessions.New(log, table, l.Book, l.restored, own, cfg)
	l.mendOwners()
	l.Book.Expect()
	return l
}

// Close writes what is left. A nil ledger has nothing.
func (l *Ledger) Close() error {
	if l == nil {
		return nil
	}
	return errors.Join(l.register.Close(), l.Sessions.Close())
}

// Gate counts grants.
type Gate interface {
	Began(ctx context.Context, grants []event.Grant) error
}

// Restore reads back the grants that were in force before this start. It runs
// beside the gate: the kernel enforces them in any case, and takes seconds to
// list a hundred thousand. A failure leaves them to the kernel, which ends them
// in time. It is called once.
func (l *Ledger) Restore(ctx context.Context, a *actor.Actor, g Gate, inForce func() *config.Config) error {
	defer close(l.restored)
	now := time.Now()
	grants, err := l.kernel.Grants(now)
	if err != nil {
		l.put(event.Event{Time: now, Kind: event.KindFailure, Detail: "read back the grants in force: " + err.Error()})
		return nil
	}
	ended, err := l.Book.Restore(grants, now)
	l.Sessions.Reread(now)             // before any of them ends: who has come by it would not be known
	_ = g.Began(ctx, l.Book.Live(now)) // fails at the end only
	a.Report(now, event.KindRevocation, event.ByOperator, ended)
	l.EndOrphans(a, inForce(), nil, event.ByReload) // the configuration may have changed while we were away
	a.FailedToEnd(now, "", err)
	a.Wake()
	if n := len(grants) - len(ended); n > 0 {
		l.put(event.Event{Time: time.Now(), Kind: event.KindStart, Detail: phrase.Count(n, "grant") + " of an earlier time, still in force"})
	}
	return nil
}

const (
	// kernelLists is how many grants the kernel lists at once: what that takes
	// grows with the square of their number.
	kernelLists = 20_000
	// restorePatience is how long a request for the grants waits until
	// those of an earlier time are in the book.
	restorePatience = 3 * time.Second
)

// InForce returns the grants in force, one for each owner: of those in the book the
// ones that the kernel has, and what else it has. Of so many that it would take long
// to list them, it returns what the book has: with single ones that have been used.
// While those of an earlier time are missing, all is false.
func (l *Ledger) InForce(ctx context.Context, now time.Time) (list []event.Grant, all bool, err error) {
	l.mendOwners()
	select {
	case <-l.restored:
		all = true
	case <-ctx.Done():
	case <-time.After(restorePatience):
	}
	if list = l.Book.Live(now); !all || len(list) > kernelLists {
		return list, all, nil
	}
	elements, err := l.kernel.Grants(now)
	return joined(list, elements), all, err
}

// joined returns what the kernel has, as the book knows it: the kernel does not
// know who asked for a grant to a prefix, nor all whose a grant is.
func joined(book, kernel []event.Grant) []event.Grant {
	type element struct {
		door   string
		from   netip.Prefix
		single bool
	}
	of := func(g event.Grant) element { return element{g.Door, g.From(), g.Single} }
	has := make(map[element]bool, len(kernel)) // true: the book knows it
	for _, g := range kernel {
		has[of(g)] = false
	}
	var list []event.Grant
	for _, g := range book {
		if _, there := has[of(g)]; there {
			has[of(g)] = true
			list = append(list, g)
		}
	}
	for _, g := range kernel {
		if !has[of(g)] {
			g.Holder = event.Anyone
			list = append(list, g)
		}
	}
	return list
}

// mendEvery is how often what could not be written down is tried again: a disk that
// was full has room some time.
const mendEvery = 5 * time.Second

// KeepOwners writes down whose grants and connections are once there is room for it
// again, until the context ends.
func (l *Ledger) KeepOwners(ctx context.Context) error {
	again := time.NewTicker(mendEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
			l.mendOwners()
		}
	}
}

// mendOwners reports that owners are not kept for the next start, if they still
// cannot be.
func (l *Ledger) mendOwners() {
	for subject, err := range map[string]error{"owners": l.Book.Mend(), "sessions": l.Sessions.Mend()} {
		switch {
		case err == nil:
			l.problems.Clear(subject)
		case l.problems.Get(subject) == "":
			l.problems.Fail(subject, err.Error()+unkept)
		default:
			l.problems.Note(subject, err.Error()+unkept)
		}
	}
}

// unkept is what it means that owners are not kept.
const unkept = ": after a restart, ending the grants of one ends those of others too; this is tried again until it is done"

// Undone notes what the firewall has failed to end, until nothing is left.
func (l *Ledger) Undone(err error) {
	if err == nil {
		l.problems.Clear("revocations")
		return
	}
	l.problems.Note("revocations", "grants that were to end are still in force: "+err.Error()+"; this is tried again until it is done")
}

// EndOrphans ends the grants that the configuration no longer allows, or shortens
// them to what it does. Those whose door is gone, or no longer as wide, have left
// the kernel already. Old is the configuration before, nil after a start.
func (l *Ledger) EndOrphans(a *actor.Actor, cfg, old *config.Config, reason event.Reason) {
	now := time.Now()
	gone := l.Book.Forget(func(g event.Grant) bool { return !gate.Possible(cfg, g) }, now)
	a.EndedEarly(now, reason, gone)
	a.Trim(now, reason, gate.Longest(cfg, old, now))
}
