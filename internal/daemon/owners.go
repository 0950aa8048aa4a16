//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/actor"
	"sallyport/internal/daemon/boot"
	"sallyport/internal/daemon/sessions"
	"sallyport/internal/grant"
	"sallyport/internal/inspect"
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
		name := strconv.Itoa(int(owner))
		if u, err := user.LookupId(name); err == nil {
			name = u.Username
		}
		text := strings.Join(names[:min(len(names), manyForeign)], ", ")
		if more := len(names) - manyForeign; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		d.problems.Fail("owner of "+dir, fmt.Sprintf("%s belongs to %s, and not what is in it (%s): what cannot be recorded there is refused; run as root: chown -R %s: %s, then restart the daemon",
			dir, name, text, name, dir))
	}
}

// prepareOwners makes the book and the actor at the start: after the memory of used
// sequences, which must see whether anything has been put into state_dir.
func (d *Daemon) prepareOwners(_ context.Context, c *change) (step, error) {
	if c.from != nil {
		return step{commit: func() { d.sessions.Configure(c.to) }}, nil
	}
	d.keepOwners(c.to)
	d.book.Expect()
	d.actor = actor.New(d.book, d.events, actor.Around{
		Recorder: recorder{d}, Bans: d.bans, Answer: d.answer, Opened: d.metrics.Opened, Ended: d.ended, Cut: d.sessions.Order, Undone: d.undone,
	})
	return step{abort: func() { _ = d.closeOwners() }}, nil // nobody has used them
}

func (d *Daemon) closeOwners() error { return errors.Join(d.register.Close(), d.sessions.Close()) }

// keepOwners opens what is kept of owners, and the book.
func (d *Daemon) keepOwners(cfg *config.Config) {
	now, id := time.Now(), boot.ID()
	d.register = grant.OpenRegister(filepath.Join(cfg.Daemon.StateDir, grant.RegisterName), id, boot.Time, now)
	d.book = grant.New(d.firewall, d.register)
	table := grant.OpenSessions(filepath.Join(cfg.Daemon.StateDir, grant.SessionsName), id, boot.Time, now)
	d.sessions = sessions.New(d.log, table, d.book, d.restored, cfg)
	d.noteOwners()
}
