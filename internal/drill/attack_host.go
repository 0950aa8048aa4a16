//go:build linux

package drill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/internal/journal"
)

const (
	sayStaysOpen  = "a door is open for a stranger"
	sayGrantStays = "a grant outlives its time, or a door is open for a stranger"
	sayUnnoticed  = "the change does not show"
)

var rulesetFlushed = Attack{
	ID: "ruleset-flushed", Group: "host", Does: "another program flushes the ruleset of the host", Not: sayStaysOpen,
	Technique: "T1562.004",
	run: func(ctx context.Context, g *ground) error {
		err := g.lab.Gate.Do(func() error {
			c, err := nftables.New()
			if err != nil {
				return err
			}
			c.FlushRuleset()
			return c.Flush()
		})
		if err != nil && !errors.Is(err, unix.EPERM) { // the table belongs to the daemon, from Linux 6.9 on
			return err
		}
		return g.closesAgain(ctx)
	},
}

// closesAgain waits until no door is open for a stranger, which must soon be so.
func (g *ground) closesAgain(ctx context.Context) error {
	a := g.outsider()
	for deadline := time.Now().Add(patience / 2); time.Now().Before(deadline); {
		open, err := g.opened(a)
		if err != nil || len(open) == 0 {
			return err
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil // what is open is in the result
}

var daemonKilled = Attack{
	ID: "daemon-killed", Group: "host", Does: "kills the daemon, and then knocks", Not: sayStaysOpen,
	Technique: "T1489",
	run: func(ctx context.Context, g *ground) error {
		g.kill()
		a := g.outsider()
		if d := g.staticDoor(); d != nil {
			return g.knock(ctx, a, d.Sequence)
		}
		return nil
	},
}

// short is how long the grants of attacks on time last.
const short = 2

var daemonFrozen = Attack{
	ID: "daemon-frozen", Group: "host", Does: "freezes the daemon while a door is open for two seconds", Not: sayGrantStays,
	Technique: "T1499", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		c := g.owner()
		from := g.victim()
		m := g.own(c, from)
		m.brief = short
		datagram, err := g.seal(m)
		if err == nil {
			err = g.deliver(from, datagram)
		}
		if err == nil {
			err = g.letIn(ctx, from, m.door)
		}
		if err == nil {
			err = g.daemon.Signal(syscall.SIGSTOP)
		}
		if err == nil {
			err = wait(ctx, (short+1)*time.Second)
		}
		if err != nil {
			return err
		}
		open, err := g.opened(from)
		if err == nil && len(open) > 0 {
			err = shut{fmt.Errorf("the grant for %q outlives its time", open)}
		}
		g.outsiders = append(g.outsiders, from, g.stranger())
		return errors.Join(err, g.daemon.Signal(syscall.SIGCONT))
	},
}

var diskFull = Attack{
	ID: "disk-full", Group: "host", Does: "fills the disk of the state, and sends a recorded message again", Not: sayNothingOpens,
	Technique: "T1499", needs: messages,
	run: func(ctx context.Context, g *ground) error {
		if err := g.smallDisk(); err != nil {
			return err
		}
		_, from, datagram, err := g.overhear(ctx, true)
		if err == nil {
			err = g.ends(ctx)
		}
		if err == nil {
			err = fill(filepath.Join(g.served.State(), "ballast"))
		}
		if err != nil {
			return err
		}
		g.outsiders = append(g.outsiders, from)
		if err := g.repeat(ctx, from, datagram, 3); err != nil {
			return err
		}
		g.kill()
		if err := g.start(); err != nil { // it need not start: then nothing opens
			return g.repeat(ctx, from, datagram, 1)
		}
		return g.repeat(ctx, from, datagram, 3)
	},
}

// smallDisk starts the daemon again with its state on a disk of its own. The
// mount is in the namespace of the drill, and ends with it.
func (g *ground) smallDisk() error {
	g.kill()
	state := g.served.State()
	if err := os.RemoveAll(state); err != nil {
		return err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", state, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=24m,mode=0700"); err != nil {
		return fmt.Errorf("mount a small disk: %w", err)
	}
	g.undo = append(g.undo, func() error { return unix.Unmount(state, unix.MNT_DETACH) })
	return g.start()
}

// fill writes a file until the disk is full.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 64<<10); ; {
		if _, err := f.Write(block); errors.Is(err, unix.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

var interfaceGone = Attack{
	ID: "interface-gone", Group: "host", Does: "takes the interface away and puts another of that name in its place", Not: sayStaysOpen,
	Technique: "T1562.004",
	run: func(ctx context.Context, g *ground) error {
		if err := g.lab.Remove(g.lab.Attacker); err != nil {
			return err
		}
		if err := g.lab.Connect(g.lab.Attacker); err != nil {
			return err
		}
		clear(g.home)
		return g.closesAgain(ctx)
	},
}

func chained(p *plan) string {
	if !p.Journal.Chain {
		return sayNoHashes
	}
	return ""
}

var journalTampered = Attack{
	ID: "journal-tampered", Group: "host", Does: "deletes from the journal that a door was opened", Not: sayUnnoticed,
	Technique: "T1070", needs: all(messages, chained),
	run: func(ctx context.Context, g *ground) error {
		for range 3 {
			if _, _, _, err := g.overhear(ctx, true); err != nil {
				return err
			}
			if err := g.ends(ctx); err != nil {
				return err
			}
		}
		if err := g.daemon.Signal(syscall.SIGTERM); err != nil { // it writes what it still has
			return err
		}
		if err := g.daemon.Wait(ctx); err != nil {
			return err
		}
		g.daemon = nil
		path := filepath.Join(g.served.State(), "journal.db")
		if whole, err := g.verifies(ctx, path); err != nil || !whole {
			return errors.Join(err, shut{errors.New("the journal does not verify, and nothing was changed")})
		}
		if err := tamper(ctx, path); err != nil {
			return err
		}
		whole, err := g.verifies(ctx, path)
		if err == nil && whole {
			return shut{errors.New("a row was deleted from the journal, and it verifies")}
		}
		return err
	},
}

// tamper deletes the first grant, as anyone with an SQLite shell can.
func tamper(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "DELETE FROM events WHERE id = (SELECT min(id) FROM events WHERE kind = 'grant')")
	return err
}

// verifies reports whether the journal is whole, as the command does.
func (g *ground) verifies(ctx context.Context, path string) (bool, error) {
	r, err := journal.OpenReader(path)
	if err != nil {
		return false, err
	}
	defer r.Close()
	v, err := r.Verify(ctx)
	return len(v.Faults) == 0, err
}
